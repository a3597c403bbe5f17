#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "nodeagent/egress/tls_client_stream.h"

// The pieces in which a client's bytes come must not matter, nothing may pass that wasn't sent, and
// nothing once it was refused.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace paddock::nodeagent;  // NOLINT: a fuzz target is all about one namespace.
  if (size < 2) return 0;
  // The first byte tells where the server's answer comes, the second the pieces' size.
  size_t server_at = data[0] * size / 256;
  size_t step = data[1] % 16 + 1;
  absl::string_view bytes(reinterpret_cast<const char*>(data + 2), size - 2);
  absl::string_view client = bytes.substr(0, server_at);
  absl::string_view server = bytes.substr(client.size());
  TlsClientStream whole("www.example.com", 443);
  TlsClientStream pieces("www.example.com", 443);
  std::string out;
  std::string pieces_out;
  absl::Status status = whole.Feed(client, &out);
  absl::Status pieces_status;
  for (size_t at = 0; at < client.size() && pieces_status.ok(); at += step) {
    pieces_status = pieces.Feed(client.substr(at, step), &pieces_out);
  }
  if (status.ok() != pieces_status.ok() || out != pieces_out) abort();
  if (!status.ok()) return 0;
  if (client.substr(0, out.size()) != out) abort();
  status = whole.SeeServer(server, &out);
  for (size_t at = 0; at < server.size() && pieces_status.ok(); at += step) {
    pieces_status = pieces.SeeServer(server.substr(at, step), &pieces_out);
  }
  if (status.ok() != pieces_status.ok() || out != pieces_out) abort();
  if (client.substr(0, out.size()) != out) abort();
  return 0;
}
