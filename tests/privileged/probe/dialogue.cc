#include "tests/privileged/probe/dialogue.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tests/privileged/probe/look_up.h"

namespace {

constexpr int kConnectMilliseconds = 5000;

int64_t NowMs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * int64_t{1000} + now.tv_nsec / 1'000'000;
}

bool Await(int fd, short events, int64_t deadline) {
  pollfd poller = {fd, events, 0};
  const int64_t left = deadline - NowMs();
  return left > 0 && poll(&poller, 1, static_cast<int>(left)) == 1;
}

int Connect(const std::string& address, int port) {
  sockaddr_in6 v6 = {};
  sockaddr_in v4 = {};
  const bool six = address.find(':') != std::string::npos;
  if (six) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(static_cast<uint16_t>(port));
    if (inet_pton(AF_INET6, address.c_str(), &v6.sin6_addr) != 1) return -EINVAL;
  } else {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(static_cast<uint16_t>(port));
    if (inet_pton(AF_INET, address.c_str(), &v4.sin_addr) != 1) return -EINVAL;
  }
  const int fd = socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (fd < 0) return -errno;
  const int result = six ? connect(fd, reinterpret_cast<sockaddr*>(&v6), sizeof v6)
                         : connect(fd, reinterpret_cast<sockaddr*>(&v4), sizeof v4);
  int error = result == 0 ? 0 : errno;
  if (error == EINPROGRESS) {
    socklen_t size = sizeof error;
    if (!Await(fd, POLLOUT, NowMs() + kConnectMilliseconds)) {
      error = ETIMEDOUT;
    } else {
      getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    }
  }
  if (error != 0) {
    close(fd);
    return -error;
  }
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

// In segments of `size` bytes; false once the other side is gone.
bool Send(int fd, const std::string& bytes, size_t size) {
  for (size_t at = 0; at < bytes.size();) {
    const size_t count = std::min(size, bytes.size() - at);
    const ssize_t sent = send(fd, bytes.data() + at, count, MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN && Await(fd, POLLOUT, NowMs() + kConnectMilliseconds)) continue;
    if (sent < 0) {
      printf("unsent %d\n", errno);
      return false;
    }
    at += static_cast<size_t>(sent);
  }
  return true;
}

// One read within the time; false at the end. `total` counts instead of printing.
bool Receive(int fd, int64_t deadline, size_t* total) {
  char buffer[65536];
  if (!Await(fd, POLLIN, deadline)) {
    printf("silence\n");
    return false;
  }
  const ssize_t size = recv(fd, buffer, sizeof buffer, 0);
  if (size < 0) {
    printf("reset %d\n", errno);
    return false;
  }
  if (size == 0) {
    printf("closed\n");
    return false;
  }
  if (total == nullptr) {
    printf("reply %s\n", Escaped(std::string(buffer, static_cast<size_t>(size))).c_str());
  } else {
    *total += static_cast<size_t>(size);
  }
  return true;
}

bool Operate(int fd, const std::string& operation) {
  const size_t equals = operation.find('=');
  const std::string name = operation.substr(0, equals);
  const std::string value = equals == std::string::npos ? "" : operation.substr(equals + 1);
  const size_t colon = value.find(':');
  const std::string after = colon == std::string::npos ? "" : value.substr(colon + 1);
  const long number = strtol(value.c_str(), nullptr, 10);
  if (name == "send") return Send(fd, FromHex(value), SIZE_MAX);
  if (name == "each") return Send(fd, FromHex(value), 1);
  if (name == "split") return Send(fd, FromHex(after), static_cast<size_t>(number));
  if (name == "repeat") {
    const std::string bytes = FromHex(after);
    for (long i = 0; i < number; ++i) {
      if (!Send(fd, bytes, SIZE_MAX)) return false;
    }
    return true;
  }
  if (name == "shut") return shutdown(fd, SHUT_WR) == 0;
  if (name == "recv") return Receive(fd, NowMs() + number, nullptr);
  if (name == "all") {
    size_t total = 0;
    const int64_t deadline = NowMs() + number;
    while (Receive(fd, deadline, &total)) {
    }
    printf("received %zu\n", total);
    return false;
  }
  printf("unknown operation %s\n", operation.c_str());
  return false;
}

}  // namespace

void Dialogue(const std::string& host, int port, int operations, char** operation) {
  const std::string address = ResolveName(host);
  if (address.empty()) {
    printf("unresolved\n");
    return;
  }
  const int fd = Connect(address, port);
  if (fd < 0) {
    printf("failed %d\n", -fd);
    return;
  }
  printf("connected\n");
  // What comes after a failed sending is still worth reading: a refusal explains itself.
  for (int i = 0; i < operations; ++i) {
    const bool reads = strncmp(operation[i], "recv=", 5) == 0;
    if (!Operate(fd, operation[i]) && reads) break;
  }
  close(fd);
}

std::string ResolveName(const std::string& name) {
  unsigned char ignored[16];
  if (inet_pton(AF_INET, name.c_str(), ignored) == 1) return name;
  if (inet_pton(AF_INET6, name.c_str(), ignored) == 1) return name;
  return AskFor(SandboxResolver(), name, 1, false).address;
}

std::string Escaped(const std::string& bytes) {
  std::string out;
  for (const char c : bytes) {
    char text[8];
    if (c >= ' ' && c <= '~' && c != '\\') {
      out.push_back(c);
    } else if (c == '\n') {
      out += "\\n";
    } else {
      snprintf(text, sizeof text, "\\x%02x", static_cast<unsigned char>(c));
      out += text;
    }
  }
  return out;
}

std::string FromHex(const std::string& hex) {
  std::string out;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    out.push_back(static_cast<char>(strtoul(hex.substr(i, 2).c_str(), nullptr, 16)));
  }
  return out;
}
