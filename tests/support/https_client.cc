#include "tests/support/https_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"

namespace paddock::testing {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(20);

void SetTimeout(int socket, absl::Duration time) {
  timeval timeout = absl::ToTimeval(time);
  setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
  setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
}

// One for all connections that trust the same CA; thousands of them would cost memory.
SSL_CTX* ContextFor(const std::string& ca_file) {
  static auto* const contexts = new std::map<std::string, SSL_CTX*>;
  SSL_CTX*& context = (*contexts)[ca_file];
  if (context == nullptr) {
    context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_load_verify_locations(context, ca_file.c_str(), nullptr);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  }
  return context;
}

int Connect(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  SetTimeout(fd, kPatience);
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) return fd;
  close(fd);
  return -1;
}

}  // namespace

HttpsClient::HttpsClient(int port, const std::string& ca_file, const std::string& alpn) {
  // A server that has gone is an error of SSL_write, not the end of the test.
  std::signal(SIGPIPE, SIG_IGN);
  socket_ = Connect(port);
  if (socket_ < 0) return;
  ssl_ = SSL_new(ContextFor(ca_file));
  if (!alpn.empty()) {
    SSL_set_alpn_protos(ssl_, reinterpret_cast<const unsigned char*>(alpn.data()),
                        static_cast<unsigned>(alpn.size()));
  }
  SSL_set_fd(ssl_, socket_);
  connected_ = SSL_connect(ssl_) == 1;
}

HttpsClient::~HttpsClient() {
  if (ssl_ != nullptr) SSL_free(ssl_);
  if (socket_ >= 0) close(socket_);
}

std::string HttpsClient::protocol() const {
  const unsigned char* name = nullptr;
  unsigned length = 0;
  SSL_get0_alpn_selected(ssl_, &name, &length);
  return std::string(reinterpret_cast<const char*>(name), length);
}

bool HttpsClient::Send(const std::string& bytes) {
  size_t sent = 0;
  while (sent < bytes.size()) {
    const int written = SSL_write(ssl_, bytes.data() + sent, static_cast<int>(bytes.size() - sent));
    if (written <= 0) return false;
    sent += static_cast<size_t>(written);
  }
  return true;
}

void HttpsClient::EndSending() { SSL_shutdown(ssl_); }

void HttpsClient::EndSendingWithoutTls() { shutdown(socket_, SHUT_WR); }

bool HttpsClient::Fill() {
  char bytes[16384];
  const int got = SSL_read(ssl_, bytes, sizeof(bytes));
  if (got <= 0) return false;
  buffer_.append(bytes, static_cast<size_t>(got));
  return true;
}

HttpsAnswer HttpsClient::ReadHead() {
  HttpsAnswer answer;
  size_t end = 0;
  while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
    if (!Fill()) return answer;
  }
  const std::string head = buffer_.substr(0, end);
  buffer_.erase(0, end + 4);
  const std::vector<std::string> lines = absl::StrSplit(head, "\r\n");
  if (!absl::SimpleAtoi(lines[0].substr(9, 3), &answer.status)) answer.status = -1;
  for (size_t i = 1; i < lines.size(); ++i) {
    const std::pair<std::string, std::string> pair =
        absl::StrSplit(lines[i], absl::MaxSplits(": ", 1));
    answer.headers[absl::AsciiStrToLower(pair.first)] = pair.second;
  }
  return answer;
}

HttpsAnswer HttpsClient::Read() {
  HttpsAnswer answer = ReadHead();
  if (answer.headers.count("transfer-encoding") > 0) {
    while (buffer_.find("0\r\n\r\n") == std::string::npos && Fill()) {
    }
    answer.body = std::exchange(buffer_, "");
    return answer;
  }
  size_t length = 0;
  if (!absl::SimpleAtoi(answer.headers["content-length"], &length)) return answer;
  while (buffer_.size() < length && Fill()) {
  }
  answer.body = buffer_.substr(0, length);
  buffer_.erase(0, length);
  return answer;
}

std::string HttpsClient::ReadSome() {
  if (buffer_.empty()) Fill();
  return std::exchange(buffer_, "");
}

bool HttpsClient::EndsWithin(absl::Duration time) {
  SetTimeout(socket_, time);
  const absl::Time begin = absl::Now();
  while (Fill()) buffer_.clear();
  return absl::Now() - begin < time;
}

HttpsAnswer HttpsClient::Ask(const std::string& method, const std::string& target,
                             const std::vector<std::string>& headers, const std::string& body) {
  std::string request = absl::StrCat(method, " ", target, " HTTP/1.1\r\nhost: localhost\r\n");
  for (const std::string& header : headers) absl::StrAppend(&request, header, "\r\n");
  absl::StrAppend(&request, "content-length: ", body.size(), "\r\n\r\n", body);
  if (!Send(request)) return {};
  return Read();
}

}  // namespace paddock::testing
