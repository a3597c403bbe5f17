#include "tests/bench/egress/stream_load.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/status_macros.h"

namespace paddock::bench {
namespace {

using nodeagent::UniqueFd;

constexpr int kWaitSeconds = 10;
constexpr size_t kBlock = 256 * 1024;

absl::Status Failed(const char* step) {
  return absl::UnavailableError(absl::StrCat(step, ": ", strerror(errno)));
}

// A reset at the end, so that ten thousand short connections leave no TIME_WAIT behind.
void CloseAtOnce(UniqueFd fd) {
  const linger now = {1, 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

}  // namespace

absl::StatusOr<UniqueFd> Connect(const Target& target) {
  UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return Failed("socket");
  const timeval limit = {kWaitSeconds, 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  int on = 1;
  setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sockaddr_in name = {};
  name.sin_family = AF_INET;
  name.sin_port = htons(static_cast<uint16_t>(target.port));
  inet_pton(AF_INET, target.address.c_str(), &name.sin_addr);
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&name), sizeof name) != 0) {
    return Failed("connect");
  }
  return fd;
}

absl::Status Echo(int fd) {
  // No letter: a proxy that looks for protocols knows at once that it is none of its own.
  char byte = '\1';
  if (send(fd, &byte, 1, MSG_NOSIGNAL) != 1) return Failed("send");
  const ssize_t size = recv(fd, &byte, 1, 0);
  if (size == 0) return absl::UnavailableError("closed by the other side");
  return size == 1 ? absl::OkStatus() : Failed("recv");
}

absl::StatusOr<double> Throughput(const Target& target, absl::Duration duration) {
  PADDOCK_ASSIGN_OR_RETURN(UniqueFd fd, Connect(target));
  std::vector<char> block(kBlock);
  int64_t bytes = 0;
  const absl::Time start = absl::Now();
  absl::Time now = start;
  while (now - start < duration) {
    const ssize_t size = recv(fd.get(), block.data(), block.size(), 0);
    if (size <= 0) return Failed("recv");
    bytes += size;
    now = absl::Now();
  }
  return static_cast<double>(bytes) / absl::ToDoubleSeconds(now - start);
}

absl::StatusOr<double> ConnectionRate(const Target& target, int clients, absl::Duration duration) {
  std::atomic<int> done{0}, failed{0};
  const absl::Time start = absl::Now();
  std::vector<std::thread> threads;
  for (int i = 0; i < clients; ++i) {
    threads.emplace_back([&] {  // In the namespace of the thread that makes it.
      while (absl::Now() - start < duration) {
        absl::StatusOr<UniqueFd> fd = Connect(target);
        if (!fd.ok() || !Echo(fd->get()).ok()) {
          ++failed;
          continue;
        }
        ++done;
        CloseAtOnce(*std::move(fd));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const absl::Duration took = absl::Now() - start;
  if (failed > 0) return absl::UnavailableError(absl::StrCat(failed.load(), " connections failed"));
  return done / absl::ToDoubleSeconds(took);
}

absl::StatusOr<Samples> RoundTrips(const Target& target, int count) {
  PADDOCK_ASSIGN_OR_RETURN(UniqueFd fd, Connect(target));
  Samples samples;
  PADDOCK_RETURN_IF_ERROR(Echo(fd.get()));
  for (int i = 0; i < count; ++i) {
    const absl::Time start = absl::Now();
    PADDOCK_RETURN_IF_ERROR(Echo(fd.get()));
    samples.Add(absl::Now() - start);
  }
  return samples;
}

absl::StatusOr<Samples> FirstBytes(const Target& target, int count) {
  Samples samples;
  for (int i = 0; i < count; ++i) {
    const absl::Time start = absl::Now();
    PADDOCK_ASSIGN_OR_RETURN(UniqueFd fd, Connect(target));
    PADDOCK_RETURN_IF_ERROR(Echo(fd.get()));
    samples.Add(absl::Now() - start);
    CloseAtOnce(std::move(fd));
  }
  return samples;
}

absl::StatusOr<std::vector<UniqueFd>> Hold(const Target& target, int count) {
  std::vector<UniqueFd> held;
  for (int i = 0; i < count; ++i) {
    absl::StatusOr<UniqueFd> fd = Connect(target);
    const absl::Status echo = fd.ok() ? Echo(fd->get()) : fd.status();
    // A proxy keeps some descriptors for others than us.
    if (!echo.ok() && i >= count / 2) return held;
    PADDOCK_RETURN_IF_ERROR(echo);
    held.push_back(*std::move(fd));
  }
  return held;
}

}  // namespace paddock::bench
