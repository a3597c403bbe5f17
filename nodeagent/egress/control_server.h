#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nodeagent/egress/event_loop.h"
#include "nodeagent/system/unique_fd.h"

namespace paddock::nodeagent {

// The gateway's local socket: frames in, frames out, one answer to each request, in order. Only
// root can connect. Lives in an event loop; not thread-safe.
class ControlServer {
 public:
  using Handler = std::function<std::string(const std::string& request)>;
  // Replaces a socket that a dead process left at `path`.
  static absl::StatusOr<std::unique_ptr<ControlServer>> Create(EventLoop* loop,
                                                               const std::string& path,
                                                               Handler handler);
  ~ControlServer();

 private:
  struct Connection {
    UniqueFd fd;
    std::string incoming;
    std::string outgoing;
  };
  ControlServer(EventLoop* loop, UniqueFd listener, Handler handler)
      : loop_(loop), listener_(std::move(listener)), handler_(std::move(handler)) {}
  void Accept();
  void OnEvent(int fd, uint32_t events);
  // False when the connection has to end.
  bool Read(Connection& connection);
  bool Write(Connection& connection);
  void Drop(int fd);

  EventLoop* const loop_;
  UniqueFd listener_;
  Handler handler_;
  std::map<int, std::unique_ptr<Connection>> connections_;
};

}  // namespace paddock::nodeagent
