#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace paddock::nodeagent {

// What the first message of a TLS client gives away (RFC 8446, 6066).
struct ClientHello {
  std::optional<std::string> server_name;  // As it was sent.
  bool encrypted_client_hello = false;     // The extension is there; also as mere decoration.
};

// `body`: the handshake message without its four bytes of type and length. INVALID_ARGUMENT for
// what isn't one, is ambiguous (an extension twice, several names) or holds more than its lengths
// say. Pure.
absl::StatusOr<ClientHello> ParseClientHello(absl::string_view body);

}  // namespace paddock::nodeagent
