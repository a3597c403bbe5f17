#include "nodeagent/init/list_parser.h"

#include <cstring>
#include <limits>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace paddock::nodeagent {
namespace {

using file_protocol::EntryHeader;
using file_protocol::EntryType;

absl::Status Malformed() {
  return absl::InternalError("the sandbox sent a malformed directory listing");
}

bool HeaderIsSane(const EntryHeader& header) {
  if (header.type > file_protocol::kLastEntryType || header.mode > 07777 ||
      header.modified_nanos >= 1000000000 || header.name_bytes > file_protocol::kMaxNameBytes ||
      header.target_bytes > file_protocol::kMaxTargetBytes ||
      header.size > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    return false;
  }
  bool is_end = header.type == static_cast<uint8_t>(EntryType::kEnd);
  if (is_end != (header.name_bytes == 0)) return false;
  return header.target_bytes == 0 || header.type == static_cast<uint8_t>(EntryType::kSymlink);
}

bool NameIsSane(absl::string_view name) {
  return name != "." && name != ".." && name.find('/') == absl::string_view::npos &&
         name.find('\0') == absl::string_view::npos;
}

}  // namespace

absl::Status ListParser::Consume(absl::string_view bytes, std::vector<DirectoryEntry>* entries) {
  std::string joined;
  if (!pending_.empty()) {
    joined = std::move(pending_);
    joined.append(bytes.data(), bytes.size());
    bytes = joined;
    pending_.clear();
  }
  while (!bytes.empty()) {
    if (finished_) return Malformed();
    EntryHeader header;
    if (bytes.size() < sizeof(header)) break;
    std::memcpy(&header, bytes.data(), sizeof(header));
    if (!HeaderIsSane(header)) return Malformed();
    size_t names = size_t{header.name_bytes} + header.target_bytes;
    if (bytes.size() - sizeof(header) < names) break;
    PADDOCK_RETURN_IF_ERROR(TakeEntry(header, bytes.substr(sizeof(header), names), entries));
    bytes.remove_prefix(sizeof(header) + names);
  }
  pending_.assign(bytes.data(), bytes.size());
  return absl::OkStatus();
}

absl::Status ListParser::TakeEntry(const EntryHeader& header, absl::string_view names,
                                   std::vector<DirectoryEntry>* entries) {
  if (header.type == static_cast<uint8_t>(EntryType::kEnd)) {
    finished_ = true;
    return header.size == count_ ? absl::OkStatus() : Malformed();
  }
  if (count_ == max_entries_) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the directory has more than ", max_entries_, " entries"));
  }
  DirectoryEntry entry;
  entry.name = std::string(names.substr(0, header.name_bytes));
  entry.target = std::string(names.substr(header.name_bytes));
  if (!NameIsSane(entry.name) || entry.target.find('\0') != std::string::npos) return Malformed();
  entry.type = static_cast<EntryType>(header.type);
  entry.size = static_cast<int64_t>(header.size);
  entry.mode = header.mode;
  entry.modified = absl::FromUnixSeconds(header.modified_seconds) +
                   absl::Nanoseconds(static_cast<int64_t>(header.modified_nanos));
  entries->push_back(std::move(entry));
  ++count_;
  return absl::OkStatus();
}

}  // namespace paddock::nodeagent
