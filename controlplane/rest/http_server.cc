#include "controlplane/rest/http_server.h"

#include <pthread.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <filesystem>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/log.h"
#include "common/status_macros.h"
#include "controlplane/rest/http_connection.h"
#include "controlplane/rest/http_core.h"
#include "controlplane/rest/tls_context.h"

namespace paddock {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using Error = boost::system::error_code;

constexpr int kBacklog = 4096;
constexpr auto kReloadInterval = std::chrono::seconds(10);
// After a failed accept, when the process has no descriptor left.
constexpr auto kAcceptPause = std::chrono::milliseconds(100);
constexpr absl::Duration kAbortPatience = absl::Seconds(2);

absl::StatusOr<tcp::endpoint> ParseListen(const std::string& listen) {
  const size_t colon = listen.rfind(':');
  uint32_t port = 0;
  if (colon == std::string::npos || !absl::SimpleAtoi(listen.substr(colon + 1), &port) ||
      port > 65535) {
    return absl::InvalidArgumentError(absl::StrCat("'", listen, "' is no host:port"));
  }
  absl::string_view host = absl::string_view(listen).substr(0, colon);
  if (absl::ConsumePrefix(&host, "[")) absl::ConsumeSuffix(&host, "]");
  Error error;
  const auto address =
      asio::ip::make_address(host == "localhost" ? "127.0.0.1" : std::string(host), error);
  if (error) return absl::InvalidArgumentError(absl::StrCat("'", listen, "' has no address"));
  return tcp::endpoint(address, static_cast<uint16_t>(port));
}

std::filesystem::file_time_type ModifiedAt(const std::string& file) {
  std::error_code ignored;
  return std::filesystem::last_write_time(file, ignored);
}

}  // namespace

// Acceptor and TLS context are used on `strand_` only.
class HttpServer::Impl {
 public:
  Impl(const Options& options, Handler handler, Refuser refuser)
      : options_(options),
        core_(std::make_shared<HttpCore>(options.limits, options.threads, std::move(handler),
                                         std::move(refuser))),
        work_(asio::make_work_guard(core_->io)),
        strand_(asio::make_strand(core_->io)),
        acceptor_(strand_),
        reload_(strand_),
        pause_(strand_) {}

  absl::Status Start();
  void Drain(absl::Duration patience);

  int port() const { return port_; }
  size_t connections() const { return core_->size(); }

 private:
  absl::Status Bind();
  absl::Status LoadTls();
  void Accept();
  void OnAccepted(Error error, tcp::socket socket);
  void ReloadWhenChanged();
  void End();

  const Options options_;
  const std::shared_ptr<HttpCore> core_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  asio::strand<asio::io_context::executor_type> strand_;
  tcp::acceptor acceptor_;
  asio::steady_timer reload_;
  asio::steady_timer pause_;
  std::shared_ptr<asio::ssl::context> tls_;
  std::filesystem::file_time_type certificate_at_;
  std::filesystem::file_time_type key_at_;
  int port_ = 0;
  std::once_flag drained_;
  std::vector<std::thread> threads_;
};

absl::Status HttpServer::Impl::Start() {
  PADDOCK_RETURN_IF_ERROR(LoadTls());
  PADDOCK_RETURN_IF_ERROR(Bind());
  asio::post(strand_, [this] {
    Accept();
    ReloadWhenChanged();
  });
  for (int i = 0; i < options_.threads; ++i) {
    threads_.emplace_back([core = core_] { core->io.run(); });
    pthread_setname_np(threads_.back().native_handle(), "rest-io");
  }
  return absl::OkStatus();
}

absl::Status HttpServer::Impl::LoadTls() {
  certificate_at_ = ModifiedAt(options_.certificate_file);
  key_at_ = ModifiedAt(options_.key_file);
  PADDOCK_ASSIGN_OR_RETURN(tls_, MakeTlsContext(options_.certificate_file, options_.key_file));
  return absl::OkStatus();
}

absl::Status HttpServer::Impl::Bind() {
  PADDOCK_ASSIGN_OR_RETURN(const tcp::endpoint endpoint, ParseListen(options_.listen));
  Error error;
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(kBacklog, error);
  if (error) {
    return absl::UnavailableError(
        absl::StrCat("can't listen on ", options_.listen, ": ", error.message()));
  }
  port_ = acceptor_.local_endpoint(error).port();
  return absl::OkStatus();
}

void HttpServer::Impl::Accept() {
  acceptor_.async_accept(asio::make_strand(core_->io), [this](Error error, tcp::socket socket) {
    OnAccepted(error, std::move(socket));
  });
}

void HttpServer::Impl::OnAccepted(Error error, tcp::socket socket) {
  if (!acceptor_.is_open()) return;
  if (error) {
    LogWarning("REST: can't accept a connection", {{"error", error.message()}});
    pause_.expires_after(kAcceptPause);
    pause_.async_wait([this](Error cancelled) {
      if (!cancelled) Accept();
    });
    return;
  }
  auto connection = std::make_shared<HttpConnection>(core_, std::move(socket), tls_);
  if (core_->Add(connection)) connection->Start();
  Accept();
}

void HttpServer::Impl::ReloadWhenChanged() {
  reload_.expires_after(kReloadInterval);
  reload_.async_wait([this](Error cancelled) {
    if (cancelled) return;
    if (ModifiedAt(options_.certificate_file) != certificate_at_ ||
        ModifiedAt(options_.key_file) != key_at_) {
      const absl::Status status = LoadTls();
      if (status.ok()) LogInfo("REST: certificate read again");
      if (!status.ok()) LogError("REST: the old certificate stays", {{"error", status.message()}});
    }
    ReloadWhenChanged();
  });
}

void HttpServer::Impl::Drain(absl::Duration patience) {
  std::call_once(drained_, [this, patience] {
    core_->StartDraining();
    asio::post(strand_, [this] {
      Error ignored;
      acceptor_.close(ignored);
      reload_.cancel();
      pause_.cancel();
    });
    for (const auto& connection : core_->Connections()) connection->Drain();
    core_->WaitUntilEmpty(patience);
    for (const auto& connection : core_->Connections()) connection->Abort();
    core_->WaitUntilEmpty(kAbortPatience);
    End();
  });
}

void HttpServer::Impl::End() {
  work_.reset();
  core_->io.stop();
  for (std::thread& thread : threads_) thread.join();
  core_->End();
  // What is left holds its connection, and that this core.
  core_->io.restart();
  core_->io.poll();
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

HttpServer::~HttpServer() { Drain(absl::ZeroDuration()); }

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const Options& options,
                                                              Handler handler, Refuser refuser) {
  auto impl = std::make_unique<Impl>(options, std::move(handler), std::move(refuser));
  PADDOCK_RETURN_IF_ERROR(impl->Start());
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

int HttpServer::port() const { return impl_->port(); }

size_t HttpServer::connections() const { return impl_->connections(); }

void HttpServer::Drain(absl::Duration patience) { impl_->Drain(patience); }

}  // namespace paddock
