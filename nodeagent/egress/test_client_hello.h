#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace paddock::nodeagent {

// Builds TLS messages for tests.

inline std::string TestNumber(size_t value, int bytes) {
  std::string out;
  for (int i = bytes - 1; i >= 0; --i) out.push_back(static_cast<char>(value >> (8 * i)));
  return out;
}

inline std::string TestVector(absl::string_view data, int bytes) {
  return TestNumber(data.size(), bytes) + std::string(data);
}

using TestExtension = std::pair<uint16_t, std::string>;

inline TestExtension TestServerName(absl::string_view name) {
  return {0, TestVector(std::string("\0", 1) + TestVector(name, 2), 2)};
}

// The body of a ClientHello.
inline std::string TestHelloBody(const std::vector<TestExtension>& extensions) {
  std::string list;
  for (const auto& [type, data] : extensions) list += TestNumber(type, 2) + TestVector(data, 2);
  return std::string("\x03\x03") + std::string(32, 'r') + TestVector(std::string(32, 's'), 1) +
         TestVector(std::string("\x13\x01", 2), 2) + TestVector(std::string("\0", 1), 1) +
         TestVector(list, 2);
}

inline std::string TestRecord(absl::string_view payload, char type = 22) {
  return std::string(1, type) + "\x03\x01" + TestVector(payload, 2);
}

inline std::string TestHandshake(absl::string_view body, char type = 1) {
  return std::string(1, type) + TestVector(body, 3);
}

// A whole ClientHello for `name` in one record.
inline std::string TestHello(absl::string_view name) {
  return TestRecord(TestHandshake(TestHelloBody({{10, "x"}, TestServerName(name)})));
}

}  // namespace paddock::nodeagent
