#include "nodeagent/session/tombstone_log.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/status_macros.h"
#include "nodeagent/system/append_file.h"
#include "nodeagent/system/file.h"

namespace paddock::nodeagent {
namespace {

using Json = nlohmann::json;
using Entries = absl::flat_hash_map<std::string, TombstoneLog::Entry>;

// The file holds a line of about 100 bytes for each placement of the last month.
constexpr size_t kMaxFileBytes = size_t{1} << 30;

std::string EncodeLine(const std::string& session_id, const TombstoneLog::Entry& entry) {
  const Json json = {{"session", session_id},
                     {"seen", entry.seen},
                     {"stopped", entry.stopped},
                     {"time", entry.unix_seconds}};
  return absl::StrCat(json.dump(), "\n");
}

// A line that a crash tore is skipped: it was never waited for.
void DecodeLine(absl::string_view line, Entries* entries) {
  const Json json = Json::parse(line.begin(), line.end(), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return;
  for (const char* key : {"seen", "stopped", "time"}) {
    if (!json.contains(key) || !json[key].is_number_integer()) return;
  }
  if (!json.contains("session") || !json["session"].is_string()) return;
  TombstoneLog::Entry& entry = (*entries)[json["session"].get<std::string>()];
  entry.seen = std::max(entry.seen, json["seen"].get<int64_t>());
  entry.stopped = std::max(entry.stopped, json["stopped"].get<int64_t>());
  entry.unix_seconds = std::max(entry.unix_seconds, json["time"].get<int64_t>());
}

absl::StatusOr<Entries> Load(const std::string& path, absl::Time now) {
  Entries entries;
  if (!PathExists(path)) return entries;
  PADDOCK_ASSIGN_OR_RETURN(const std::string content, ReadFile(path, kMaxFileBytes));
  for (absl::string_view line : absl::StrSplit(content, '\n', absl::SkipEmpty())) {
    DecodeLine(line, &entries);
  }
  const int64_t oldest = absl::ToUnixSeconds(now - TombstoneLog::kRetention);
  absl::erase_if(entries, [&](const auto& item) { return item.second.unix_seconds < oldest; });
  return entries;
}

}  // namespace

absl::StatusOr<std::unique_ptr<TombstoneLog>> TombstoneLog::Open(const std::string& path,
                                                                 absl::Time now) {
  PADDOCK_ASSIGN_OR_RETURN(Entries entries, Load(path, now));
  std::string content;
  for (const auto& [session_id, entry] : entries) {
    absl::StrAppend(&content, EncodeLine(session_id, entry));
  }
  PADDOCK_RETURN_IF_ERROR(WriteFileAtomically(path, content));
  PADDOCK_ASSIGN_OR_RETURN(UniqueFd file, OpenForAppend(path));
  return std::unique_ptr<TombstoneLog>(new TombstoneLog(std::move(file), std::move(entries)));
}

TombstoneLog::TombstoneLog(UniqueFd file, Entries entries)
    : file_(std::move(file)), entries_(std::move(entries)), flusher_([this] { FlushLoop(); }) {}

TombstoneLog::~TombstoneLog() {
  {
    absl::MutexLock lock(&mutex_);
    stop_ = true;
  }
  flusher_.join();
}

TombstoneLog::Entry TombstoneLog::Get(const std::string& session_id) const {
  absl::MutexLock lock(&mutex_);
  const auto it = entries_.find(session_id);
  return it == entries_.end() ? Entry() : it->second;
}

absl::StatusOr<uint64_t> TombstoneLog::RecordSeen(const std::string& session_id, int64_t generation,
                                                  absl::Time now) {
  absl::MutexLock lock(&mutex_);
  const auto it = entries_.find(session_id);
  Entry entry = it == entries_.end() ? Entry() : it->second;
  entry.seen = std::max(entry.seen, generation);
  entry.unix_seconds = absl::ToUnixSeconds(now);
  return Append(session_id, entry);
}

absl::StatusOr<uint64_t> TombstoneLog::RecordStopped(const std::string& session_id,
                                                     int64_t generation, absl::Time now) {
  absl::MutexLock lock(&mutex_);
  const auto it = entries_.find(session_id);
  Entry entry = it == entries_.end() ? Entry() : it->second;
  entry.seen = std::max(entry.seen, generation);
  entry.stopped = std::max(entry.stopped, generation);
  entry.unix_seconds = absl::ToUnixSeconds(now);
  return Append(session_id, entry);
}

absl::StatusOr<uint64_t> TombstoneLog::Append(const std::string& session_id, const Entry& entry) {
  if (!failure_.ok()) return failure_;
  // The newline in front closes what an earlier write may have left torn (a full disk).
  PADDOCK_RETURN_IF_ERROR(WriteAll(file_.get(), absl::StrCat("\n", EncodeLine(session_id, entry))));
  entries_[session_id] = entry;
  return ++written_;
}

absl::Status TombstoneLog::WaitDurable(uint64_t ticket) {
  absl::MutexLock lock(&mutex_);
  const auto settled = [this, ticket]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return durable_ >= ticket || !failure_.ok();
  };
  mutex_.Await(absl::Condition(&settled));
  return durable_ >= ticket ? absl::OkStatus() : failure_;
}

void TombstoneLog::FlushLoop() {
  absl::MutexLock lock(&mutex_);
  const auto has_work = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stop_ || (written_ > durable_ && failure_.ok());
  };
  while (true) {
    mutex_.Await(absl::Condition(&has_work));
    if (written_ == durable_ || !failure_.ok()) return;  // Only when stopping.
    const uint64_t target = written_;
    mutex_.Unlock();
    absl::Status status = SyncData(file_.get());
    mutex_.Lock();
    if (status.ok()) {
      durable_ = target;
    } else {
      failure_ = status;
    }
  }
}

}  // namespace paddock::nodeagent
