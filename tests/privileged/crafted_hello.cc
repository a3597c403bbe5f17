#include "tests/privileged/crafted_hello.h"

#include <algorithm>

#include "absl/strings/escaping.h"

namespace paddock::nodeagent {
namespace {

std::string Number(size_t value, int bytes) {
  std::string out;
  for (int i = bytes - 1; i >= 0; --i) out.push_back(static_cast<char>(value >> (8 * i)));
  return out;
}

// Data behind its length.
std::string Vector(const std::string& data, int bytes) { return Number(data.size(), bytes) + data; }

std::string Extension(int type, const std::string& data) {
  return Number(static_cast<size_t>(type), 2) + Vector(data, 2);
}

std::string ServerNames(const CraftedHello& hello) {
  std::string list = Number(0, 1) + Vector(*hello.server_name, 2);
  if (hello.second_server_name) list += Number(0, 1) + Vector(*hello.second_server_name, 2);
  return Extension(0, Vector(list, 2));
}

}  // namespace

std::string Encode(const CraftedHello& hello) {
  std::string extensions;
  if (hello.server_name) extensions += ServerNames(hello);
  const int version = hello.tls13 ? 0x0304 : 0x0303;
  const int other_group = hello.tls13 ? 0x0018 : 0x0017;
  extensions += Extension(43, Vector(Number(version, 2), 1));
  extensions += Extension(10, Vector(Number(0x001d, 2) + Number(other_group, 2), 2));
  if (hello.tls13) {
    const std::string key = Number(0x001d, 2) + Vector(std::string(32, 'k'), 2);
    extensions += Extension(51, Vector(key, 2));
  }
  extensions += Extension(13, Vector(Number(0x0403, 2) + Number(0x0804, 2), 2));  // Signatures.
  extensions += Extension(11, Vector(Number(0, 1), 1));                           // Point formats.
  if (hello.encrypted) {
    const std::string outer = Number(0, 1) + Number(1, 2) + Number(1, 2) + Number(7, 1) +
                              Vector(std::string(32, 'k'), 2) + Vector(std::string(144, 'e'), 2);
    extensions += Extension(0xfe0d, outer);
  }
  if (hello.padding > 0) extensions += Extension(21, std::string(hello.padding, '\0'));
  std::string suites = Number(0xc02b, 2) + Number(0xc02f, 2);
  if (hello.tls13) suites = Number(0x1301, 2) + Number(0x1302, 2);
  const std::string body = Number(0x0303, 2) + std::string(32, 'r') + Number(0, 1) +
                           Vector(suites, 2) + Vector(Number(0, 1), 1) + Vector(extensions, 2);
  const std::string message = Number(1, 1) + Vector(body, 3);
  std::string records;
  for (size_t at = 0; at < message.size(); at += hello.record_size) {
    records += Number(22, 1) + Number(0x0301, 2) + Vector(message.substr(at, hello.record_size), 2);
  }
  return records;
}

std::string ToHex(const std::string& bytes) { return absl::BytesToHexString(bytes); }

}  // namespace paddock::nodeagent
