#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "nodeagent/egress/client_inspector.h"

// However bytes are cut, and whenever half a line is released: the same verdict, the same bytes.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace paddock::nodeagent;  // NOLINT: a fuzz target is all about one namespace.
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
