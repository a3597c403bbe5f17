#include "nodeagent/api/directory_listing.h"

#include <vector>

#include "nodeagent/api/conversions.h"

namespace paddock::nodeagent {

absl::Status DirectoryListing::Take(const std::string& data) {
  std::vector<DirectoryEntry> entries;
  const absl::Status parsed = parser_.Consume(data, &entries);
  // Too many are no mistake of the sandbox's: what came before them is the answer.
  if (!parsed.ok() && !absl::IsResourceExhausted(parsed)) return parsed;
  for (const DirectoryEntry& entry : entries) {
    // Replacing a byte by U+FFFD makes three of it.
    bytes_ += 64 + 3 * (entry.name.size() + entry.target.size());
    if (response_->entries_size() >= static_cast<int>(kMaxEntries) || bytes_ > kMaxBytes) {
      response_->set_truncated(true);
      break;
    }
    EntryToProto(entry, response_->add_entries());
  }
  return absl::OkStatus();
}

}  // namespace paddock::nodeagent
