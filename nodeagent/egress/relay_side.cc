#include "nodeagent/egress/relay_side.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

namespace paddock::nodeagent {
namespace {

// A peer that has vanished is noticed, however silent the connection is.
constexpr int kKeepAliveIdleSeconds = 120;

}  // namespace

RelaySide::~RelaySide() {
  services_->stuck_bytes -= static_cast<int64_t>(kept_.size());
  Watch(false, false);
}

void SetRelayOptions(int fd) {
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
  int idle = kKeepAliveIdleSeconds;
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
}

UniqueFd RelaySide::Take() {
  Watch(false, false);
  return std::move(fd_);
}

void RelaySide::Abort() {
  if (!open()) return;
  linger abort = {1, 0};
  setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
  Take();
}

RelaySide::Result RelaySide::Read(absl::string_view* bytes) {
  ssize_t size = recv(fd_.get(), services_->buffer.data(), services_->ReadSize(), 0);
  if (size < 0) return errno == EAGAIN || errno == EINTR ? Result::kWait : Result::kFailed;
  if (size == 0) {
    ended_ = true;
    return Result::kEnd;
  }
  *bytes = {services_->buffer.data(), static_cast<size_t>(size)};
  return Result::kDone;
}

RelaySide::Result RelaySide::Send(absl::string_view bytes) {
  if (open() && !stuck()) {
    ssize_t size = send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (size < 0 && errno != EAGAIN && errno != EINTR) return Result::kFailed;
    if (size > 0) {
      taken_ += size;
      bytes.remove_prefix(size);
    }
  }
  if (bytes.empty()) return Result::kDone;
  kept_.append(bytes.data(), bytes.size());
  services_->stuck_bytes += static_cast<int64_t>(bytes.size());
  return Result::kWait;
}

RelaySide::Result RelaySide::Flush() {
  while (stuck()) {
    ssize_t size = send(fd_.get(), kept_.data() + sent_, kept_.size() - sent_, MSG_NOSIGNAL);
    if (size < 0) return errno == EAGAIN || errno == EINTR ? Result::kWait : Result::kFailed;
    sent_ += size;
    taken_ += size;
  }
  services_->stuck_bytes -= static_cast<int64_t>(kept_.size());
  kept_ = std::string();  // Gives the memory back.
  sent_ = 0;
  if (finish_ && !finished_) {
    finished_ = true;
    shutdown(fd_.get(), SHUT_WR);
  }
  return Result::kDone;
}

void RelaySide::FinishSending() {
  finish_ = true;
  if (open() && !stuck()) Flush();
}

void RelaySide::Watch(bool readable, bool writable) {
  uint32_t events = (readable ? EPOLLIN : 0) | (writable ? EPOLLOUT : 0);
  if (events == watched_ || !fd_.valid()) return;
  if (events == 0) {
    services_->loop->Remove(fd_.get());
  } else if (watched_ == 0) {
    services_->loop->Add(fd_.get(), events, on_event_).IgnoreError();
  } else {
    services_->loop->Change(fd_.get(), events).IgnoreError();
  }
  watched_ = events;
}

}  // namespace paddock::nodeagent
