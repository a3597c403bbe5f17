#include "nodeagent/egress/dial.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "nodeagent/egress/egress_reasons.h"
#include "nodeagent/egress/relay_side.h"

namespace paddock::nodeagent {
namespace {

// While there are others left to try, and for the last one.
constexpr absl::Duration kAttempt = absl::Seconds(3);
constexpr absl::Duration kLastAttempt = absl::Seconds(10);
constexpr size_t kMaxAddresses = 6;

}  // namespace

Dial::Dial(EgressServices* services, std::string name, int port, Done done)
    : services_(services),
      name_(std::move(name)),
      port_(port),
      done_(std::move(done)),
      timer_(services->deadlines, [this] {
        last_error_ = ETIMEDOUT;
        TryNext();
      }) {}

Dial::~Dial() {
  *alive_ = false;
  Close();
}

void Dial::Start() {
  services_->resolver->Resolve(name_, [this, alive = alive_](const HostResolver::Answer& answer) {
    if (*alive) OnAddresses(answer);
  });
}

void Dial::OnAddresses(const HostResolver::Answer& answer) {
  if (!answer.ok()) return Finish(answer.status());
  for (const std::string& alias : answer->aliases) {
    if (!services_->is_name_blocked(alias)) continue;
    return Finish(absl::PermissionDeniedError(AliasBlocked(name_, alias)));
  }
  for (uint32_t address : answer->addresses) {
    if (!services_->is_blocked(address) && addresses_.size() < kMaxAddresses) {
      addresses_.push_back(address);
    }
  }
  if (addresses_.empty()) {
    return Finish(absl::PermissionDeniedError(
        services_->operator_file_refused ? OperatorFileRefused()
                                         : AddressBlocked(name_, answer->addresses.front())));
  }
  aliases_ = answer->aliases;
  TryNext();
}

void Dial::TryNext() {
  Close();
  while (next_ < addresses_.size()) {
    sockaddr_in to = {};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<uint16_t>(port_));
    to.sin_addr.s_addr = htonl(addresses_[next_++]);
    socket_.reset(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    SetRelayOptions(socket_.get());
    bool begun = socket_.valid() &&
                 (connect(socket_.get(), reinterpret_cast<sockaddr*>(&to), sizeof(to)) == 0 ||
                  errno == EINPROGRESS);
    if (begun &&
        services_->loop->Add(socket_.get(), EPOLLOUT, [this](uint32_t) { OnWritable(); }).ok()) {
      timer_.ArmAfter(next_ < addresses_.size() ? kAttempt : kLastAttempt);
      return;
    }
    last_error_ = errno;
    socket_.reset();
  }
  Finish(absl::UnavailableError(
      absl::StrCat("can't connect to ", name_, ", port ", port_, ": ", strerror(last_error_))));
}

void Dial::OnWritable() {
  int error = 0;
  socklen_t size = sizeof(error);
  getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) {
    last_error_ = error;
    return TryNext();
  }
  services_->loop->Remove(socket_.get());
  Finish(Connected{std::move(socket_), addresses_[next_ - 1], std::move(aliases_)});
}

void Dial::Close() {
  timer_.Disarm();
  if (!socket_.valid()) return;
  services_->loop->Remove(socket_.get());
  socket_.reset();
}

void Dial::Finish(absl::StatusOr<Connected> connected) {
  timer_.Disarm();
  Done done = std::exchange(done_, nullptr);
  if (done) done(std::move(connected));  // May destroy this object: nothing comes after.
}

}  // namespace paddock::nodeagent
