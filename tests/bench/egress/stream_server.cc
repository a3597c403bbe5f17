#include "tests/bench/egress/stream_server.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <vector>

namespace paddock::bench {
namespace {

using nodeagent::UniqueFd;

constexpr int kBacklog = 4096;
constexpr int kEventsAtOnce = 512;
constexpr size_t kBlock = 256 * 1024;

UniqueFd Listen(int port, int flags) {
  UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
  int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in name = {};
  name.sin_family = AF_INET;
  name.sin_port = htons(static_cast<uint16_t>(port));
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&name), sizeof name) != 0 ||
      listen(fd.get(), kBacklog) != 0) {
    fd.reset();
  }
  return fd;
}

void Watch(int epoll, int fd) {
  epoll_event event = {};
  event.events = EPOLLIN;
  event.data.fd = fd;
  epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

}  // namespace

StreamServer::StreamServer()
    : echo_(Listen(kEchoPort, SOCK_NONBLOCK)),
      source_(Listen(kSourcePort, SOCK_NONBLOCK)),
      stop_(eventfd(0, EFD_CLOEXEC)),
      echo_thread_([this] { ServeEchoes(); }),
      source_thread_([this] { ServeSources(); }) {}

StreamServer::~StreamServer() {
  eventfd_write(stop_.get(), 1);
  echo_thread_.join();
  source_thread_.join();
}

void StreamServer::ServeEchoes() {
  const UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  Watch(epoll.get(), stop_.get());
  Watch(epoll.get(), echo_.get());
  std::vector<epoll_event> events(kEventsAtOnce);
  char buffer[4096];
  while (true) {
    const int ready = epoll_wait(epoll.get(), events.data(), kEventsAtOnce, -1);
    for (int i = 0; i < ready; ++i) {
      const int fd = events[static_cast<size_t>(i)].data.fd;
      if (fd == stop_.get()) return;
      if (fd == echo_.get()) {
        int client = -1;
        while ((client = accept4(fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
          int on = 1;
          setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
          ++open_echoes_;
          Watch(epoll.get(), client);
        }
        continue;
      }
      const ssize_t size = recv(fd, buffer, sizeof buffer, 0);
      if (size <= 0 || send(fd, buffer, static_cast<size_t>(size), MSG_NOSIGNAL) != size) {
        close(fd);
        --open_echoes_;
      }
    }
  }
}

// One after the other: the benchmark has one bulk stream at a time.
void StreamServer::ServeSources() {
  const std::vector<char> block(kBlock, 'x');
  while (true) {
    pollfd polls[2] = {{stop_.get(), POLLIN, 0}, {source_.get(), POLLIN, 0}};
    poll(polls, 2, -1);
    if (polls[0].revents != 0) return;
    const UniqueFd client(accept4(source_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    while (client.valid() && send(client.get(), block.data(), kBlock, MSG_NOSIGNAL) > 0) {
    }
  }
}

}  // namespace paddock::bench
