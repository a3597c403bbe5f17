#pragma once

#include <optional>
#include <string>

namespace paddock::nodeagent {

// The first bytes of a TLS client, as a value: what a test wants to be odd about them.
struct CraftedHello {
  std::optional<std::string> server_name;
  std::optional<std::string> second_server_name;  // Another entry of the same extension.
  bool encrypted = false;                         // With the extension encrypted_client_hello.
  bool tls13 = false;          // With a key of x25519, and P-384 as the other group.
  size_t padding = 0;          // Bytes of a padding extension.
  size_t record_size = 16384;  // At most so many bytes a TLS record.
};

// As TLS records (RFC 8446, 4.1.2 and 5.1), good enough for a server to answer with a ServerHello
// or an alert.
std::string Encode(const CraftedHello& hello);

// Lower-case hexadecimal, for the probe's command line.
std::string ToHex(const std::string& bytes);

}  // namespace paddock::nodeagent
