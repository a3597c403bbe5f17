#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace paddock::nodeagent {

// What the head of an HTTP/1 request says, as far as it decides where the request leads, where its
// body ends and what becomes of the connection (RFC 9112).
struct HttpRequestHead {
  enum class Body { kNone, kLength, kChunked };
  std::string host;  // Of the Host field, without the port, normalized.
  Body body = Body::kNone;
  uint64_t length = 0;     // Of kLength.
  bool websocket = false;  // Asks for this upgrade and no other.
  bool other_upgrade = false;
};

// Strict: where two readers could understand a head differently, it is refused with the reason
// (INVALID_ARGUMENT), never interpreted. `head` ends with its empty line. Refuses CONNECT and
// whatever isn't HTTP/1.0 or 1.1. The authority of an absolute target must be the Host. Pure.
absl::StatusOr<HttpRequestHead> ParseHttpRequestHead(absl::string_view head);

// Refuses a request's first line, without its end, for what ParseHttpRequestHead refuses in it.
absl::Status CheckHttpRequestLine(absl::string_view line);

// The head without the offer of an upgrade, which a server is then not asked for: as if the client
// hadn't made it. Pure; for heads that were parsed.
std::string WithoutUpgrade(absl::string_view head);

// Checks the trailer fields behind a chunked body; they end with the empty line.
absl::Status CheckHttpTrailers(absl::string_view trailers);

}  // namespace paddock::nodeagent
