// Everything that the agent parses of what a sandbox's PID 1 and file commands say.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "nodeagent/init/files.h"
#include "nodeagent/init/list_parser.h"
#include "nodeagent/init/wire.h"

namespace paddock::nodeagent {
namespace {

void FuzzReply(absl::string_view bytes) {
  absl::StatusOr<init_protocol::Reply> reply = ParseReply(bytes, 0, 0);
  // A failure is never good news.
  if (reply.ok() && reply->type == static_cast<uint16_t>(init_protocol::ReplyType::kFailed) &&
      FailureStatus(*reply, ExecSpec()).ok()) {
    std::abort();
  }
}

// The pieces in which a listing comes must not matter.
void FuzzList(absl::string_view bytes) {
  if (bytes.empty()) return;
  size_t first = static_cast<uint8_t>(bytes[0]);
  bytes.remove_prefix(1);
  std::vector<DirectoryEntry> whole, pieces;
  ListParser one(1000), two(1000);
  bool ok = one.Consume(bytes, &whole).ok();
  bool pieces_ok = two.Consume(bytes.substr(0, first), &pieces).ok() &&
                   (bytes.size() <= first || two.Consume(bytes.substr(first), &pieces).ok());
  if (ok != pieces_ok || (ok && whole.size() != pieces.size())) std::abort();
}

}  // namespace
}  // namespace paddock::nodeagent

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  paddock::nodeagent::FuzzReply(bytes);
  paddock::nodeagent::FuzzList(bytes);
  if (paddock::nodeagent::FileCommandStatus({1, 0}, bytes, "/x").ok()) std::abort();
  return 0;
}
