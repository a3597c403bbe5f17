#include "tests/privileged/probe/look_up.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace {

constexpr int kNameServerPort = 53;
constexpr int kSeconds = 3;

LookUpAnswer Parse(const std::string& answer) {
  LookUpAnswer result;
  if (answer.size() < 12) return result;
  result.rcode = answer[3] & 15;
  result.answers =
      static_cast<unsigned char>(answer[6]) * 256 + static_cast<unsigned char>(answer[7]);
  // Every answer that we get ends with its A record, or holds none.
  const size_t record = answer.rfind(std::string("\0\4", 2), answer.size() - 6);
  if (result.answers > 0 && answer.size() >= 16 && record == answer.size() - 6) {
    char text[INET_ADDRSTRLEN];
    result.address = inet_ntop(AF_INET, answer.data() + answer.size() - 4, text, sizeof text);
  }
  return result;
}

}  // namespace

std::string SandboxResolver() {
  FILE* file = fopen("/etc/resolv.conf", "re");
  if (file == nullptr) return "";
  char line[256];
  char server[64] = "";
  while (server[0] == 0 && fgets(line, sizeof line, file) != nullptr) {
    sscanf(line, "nameserver %63s", server);
  }
  fclose(file);
  return server;
}

LookUpAnswer AskFor(const std::string& server, const std::string& name, int type, bool tcp) {
  std::string packet("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00", 12);
  for (size_t at = 0; at < name.size();) {
    const size_t dot = std::min(name.find('.', at), name.size());
    packet.push_back(static_cast<char>(dot - at));
    packet += name.substr(at, dot - at);
    at = dot + 1;
  }
  packet.push_back(0);
  packet.push_back(static_cast<char>(type >> 8));
  packet.push_back(static_cast<char>(type));
  packet += std::string("\0\1", 2);
  return AskRaw(server, packet, tcp);
}

LookUpAnswer AskRaw(const std::string& server, const std::string& packet, bool tcp) {
  LookUpAnswer nothing;
  const int fd = socket(AF_INET, tcp ? SOCK_STREAM : SOCK_DGRAM, 0);
  const timeval limit = {kSeconds, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_port = htons(kNameServerPort);
  inet_pton(AF_INET, server.c_str(), &to.sin_addr);
  std::string frame = packet;
  if (tcp) {
    frame.insert(0, {static_cast<char>(packet.size() >> 8), static_cast<char>(packet.size())});
  }
  char buffer[4096];
  ssize_t size = -1;
  if (connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0 &&
      send(fd, frame.data(), frame.size(), MSG_NOSIGNAL) >= 0) {
    size = recv(fd, buffer, sizeof buffer, 0);
  }
  if (size < 0 && errno != EAGAIN && errno != EINPROGRESS) nothing.rcode = -2;
  if (size == 0) nothing.rcode = -2;
  close(fd);
  if (size <= 0) return nothing;
  const std::string answer(buffer, static_cast<size_t>(size));
  return Parse(tcp ? answer.substr(2) : answer);
}
