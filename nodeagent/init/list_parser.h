#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nodeagent/init/file_protocol.h"

namespace paddock::nodeagent {

// One name in a directory of a sandbox. Names and targets are bytes, not necessarily UTF-8.
struct DirectoryEntry {
  std::string name;
  file_protocol::EntryType type = file_protocol::EntryType::kFile;
  int64_t size = 0;
  uint32_t mode = 0;
  absl::Time modified;
  std::string target;  // of a symbolic link
};

// Reads what `list` writes, in pieces as they come. It is hostile input: every field is checked,
// and nothing but an unfinished entry is kept. Not thread-safe.
class ListParser {
 public:
  // `max_entries`: more are RESOURCE_EXHAUSTED.
  explicit ListParser(size_t max_entries) : max_entries_(max_entries) {}

  // Appends the entries that are complete with `bytes`. INTERNAL when malformed; no further call
  // then.
  absl::Status Consume(absl::string_view bytes, std::vector<DirectoryEntry>* entries);
  // Whether the end mark has come; without it the list is not complete.
  bool finished() const { return finished_; }

 private:
  absl::Status TakeEntry(const file_protocol::EntryHeader& header, absl::string_view names,
                         std::vector<DirectoryEntry>* entries);

  const size_t max_entries_;
  size_t count_ = 0;
  bool finished_ = false;
  std::string pending_;  // The beginning of an entry.
};

}  // namespace paddock::nodeagent
