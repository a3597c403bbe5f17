#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "nodeagent/egress/http_client_stream.h"
#include "nodeagent/egress/http_head.h"

// The pieces in which a client's bytes come must not matter, and a head that passes must name the
// host for a reader that only looks for the first Host header.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace paddock::nodeagent;  // NOLINT: a fuzz target is all about one namespace.
  if (size < 1) return 0;
  size_t step = data[0] % 16 + 1;
  absl::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  HttpClientStream whole("a.test", 0);
  HttpClientStream pieces("a.test", 0);
  std::string out;
  std::string pieces_out;
  absl::Status status = whole.Feed(bytes, &out);
  absl::Status pieces_status;
  for (size_t at = 0; at < bytes.size() && pieces_status.ok(); at += step) {
    pieces_status = pieces.Feed(bytes.substr(at, step), &pieces_out);
  }
  if (status.ok() != pieces_status.ok() || out != pieces_out) abort();
  absl::StatusOr<HttpRequestHead> head = ParseHttpRequestHead(bytes);
  if (!head.ok()) return 0;
  std::string lower = absl::AsciiStrToLower(bytes);
  if (!absl::StrContains(lower, "\nhost:")) abort();
  if (head->body == HttpRequestHead::Body::kChunked &&
      absl::StrContains(lower, "\ncontent-length:")) {
    abort();
  }
  std::string plain = WithoutUpgrade(bytes);
  absl::StatusOr<HttpRequestHead> again = ParseHttpRequestHead(plain);
  if (!again.ok() || again->host != head->host || again->body != head->body ||
      again->length != head->length || again->websocket || again->other_upgrade) {
    abort();
  }
  return 0;
}
