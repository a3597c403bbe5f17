#include "nodeagent/egress/control_server.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "nodeagent/egress/frame.h"
#include "nodeagent/system/errno_status.h"
#include "nodeagent/system/file.h"

namespace paddock::nodeagent {
namespace {

constexpr int kBacklog = 256;

absl::StatusOr<UniqueFd> ListenAt(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError(absl::StrCat("socket path too long: ", path));
  }
  memcpy(address.sun_path, path.c_str(), path.size() + 1);
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return ErrnoStatus("making the control socket");
  PADDOCK_RETURN_IF_ERROR(RemoveFile(path));
  // The directory is root's only; the mode is a second lock on the same door.
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) < 0 ||
      chmod(path.c_str(), 0600) < 0 || listen(fd.get(), kBacklog) < 0) {
    return ErrnoStatus(absl::StrCat("listening at ", path));
  }
  return fd;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ControlServer>> ControlServer::Create(EventLoop* loop,
                                                                     const std::string& path,
                                                                     Handler handler) {
  PADDOCK_ASSIGN_OR_RETURN(UniqueFd listener, ListenAt(path));
  std::unique_ptr<ControlServer> server(
      new ControlServer(loop, std::move(listener), std::move(handler)));
  ControlServer* self = server.get();
  PADDOCK_RETURN_IF_ERROR(
      loop->Add(self->listener_.get(), EPOLLIN, [self](uint32_t) { self->Accept(); }));
  return server;
}

ControlServer::~ControlServer() {
  while (!connections_.empty()) Drop(connections_.begin()->first);
  loop_->Remove(listener_.get());
}

void ControlServer::Accept() {
  while (true) {
    UniqueFd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd.valid()) return;
    int number = fd.get();
    if (!loop_->Add(number, EPOLLIN, [this, number](uint32_t e) { OnEvent(number, e); }).ok()) {
      continue;
    }
    connections_[number] = std::make_unique<Connection>();
    connections_[number]->fd = std::move(fd);
  }
}

void ControlServer::OnEvent(int fd, uint32_t events) {
  Connection& connection = *connections_.at(fd);
  bool alive = (events & EPOLLOUT) ? Write(connection) : Read(connection);
  if (!alive) Drop(fd);
}

bool ControlServer::Read(Connection& connection) {
  char buffer[65536];
  ssize_t size = recv(connection.fd.get(), buffer, sizeof(buffer), 0);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return true;
  if (size <= 0) return false;
  connection.incoming.append(buffer, size);
  while (true) {
    absl::StatusOr<std::optional<std::string>> frame = TakeFrame(&connection.incoming);
    if (!frame.ok()) return false;
    if (!*frame) break;
    connection.outgoing += EncodeFrame(handler_(**frame));
  }
  return Write(connection);
}

bool ControlServer::Write(Connection& connection) {
  int fd = connection.fd.get();
  while (!connection.outgoing.empty()) {
    ssize_t sent = send(fd, connection.outgoing.data(), connection.outgoing.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) return loop_->Change(fd, EPOLLOUT).ok();
    if (sent < 0) return false;
    connection.outgoing.erase(0, sent);
  }
  return loop_->Change(fd, EPOLLIN).ok();
}

void ControlServer::Drop(int fd) {
  loop_->Remove(fd);
  connections_.erase(fd);
}

}  // namespace paddock::nodeagent
