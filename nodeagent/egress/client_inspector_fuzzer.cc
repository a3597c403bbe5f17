#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "nodeagent/egress/client_hello.h"
#include "nodeagent/egress/client_inspector.h"
#include "nodeagent/egress/egress_policy.h"
#include "nodeagent/egress/request_line.h"

namespace {

using namespace paddock::nodeagent;  // NOLINT: a fuzz target is all about one namespace.

// The name in the first ClientHello, for a server that takes any version, drops warnings and
// whatever else comes before and between, and puts records together; "" without one.
std::string NameForALenientServer(absl::string_view bytes) {
  auto byte = [](absl::string_view in, size_t at) { return static_cast<uint8_t>(in[at]); };
  std::string message;
  while (bytes.size() > 5 && byte(bytes, 0) >= 20 && byte(bytes, 0) <= 24 && byte(bytes, 1) < 16) {
    const bool handshake = byte(bytes, 0) == 22;
    const size_t length = byte(bytes, 3) << 8 | byte(bytes, 4);
    const absl::string_view payload = bytes.substr(5, length);
    if (length == 0 || payload.size() < length || (!handshake && payload[0] != 1)) return "";
    bytes.remove_prefix(5 + length);
    if (!handshake) continue;
    message.append(payload.data(), payload.size());
    if (message[0] != 1) return "";
    if (message.size() < 4) continue;
    const size_t size = byte(message, 1) << 16 | byte(message, 2) << 8 | byte(message, 3);
    if (message.size() < 4 + size) continue;
    const absl::StatusOr<ClientHello> hello = ParseClientHello(message.substr(4, size));
    return hello.ok() ? hello->server_name.value_or("") : "";
  }
  return "";
}

// What passed names no other host for lenient readers.
void CheckPassed(const ClientInspector& inspector, absl::string_view passed) {
  const std::string name = NameForALenientServer(passed);
  if (!name.empty() && NormalizeName(name) != "a.test") abort();
  const absl::string_view line = SkipBlank(passed);
  if (inspector.other() && HasHttpVersion(line.substr(0, line.find('\n')))) abort();
}

}  // namespace

// However bytes are cut, and whenever half a line is released: the same verdict, the same bytes,
// and nothing in them that a lenient server takes for another host's.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  size_t step = data[0] % 16 + 1;
  bool release = (data[0] & 0x10) != 0;
  absl::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  ClientInspector whole("a.test", 443);
  ClientInspector pieces("a.test", 443);
  std::string out;
  std::string pieces_out;
  absl::Status status = whole.Feed(bytes, &out);
  absl::Status pieces_status;
  for (size_t at = 0; at < bytes.size() && pieces_status.ok(); at += step) {
    pieces_status = pieces.Feed(bytes.substr(at, step), &pieces_out);
    if (release && pieces_status.ok()) pieces.ReleaseUndecided(&pieces_out);
  }
  CheckPassed(whole, out);
  CheckPassed(pieces, pieces_out);
  if (whole.upgrades_removed() > 0) return 0;
  if (release) {
    // Half a line more may have gone out, never anything else, and no refusal may be lost.
    if (status.ok() && pieces_status.ok() && pieces_out.compare(0, out.size(), out) != 0) {
      abort();
    }
    if (!status.ok() && pieces_status.ok()) abort();
    return 0;
  }
  if (status.ok() != pieces_status.ok() || out != pieces_out) abort();
  return 0;
}
