#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "nodeagent/system/unique_fd.h"

namespace paddock::nodeagent {

// By session, the highest generation that was seen and the highest that was stopped, so that a
// delayed message resurrects nothing. One JSON object a line in an append-only file; the last line
// of a session wins. Entries are written at once and made durable by a thread that gathers those of
// many sessions into one fdatasync, so a start pays nothing for it: it waits for durability only
// before it is acknowledged. Entries older than `kRetention` are forgotten when the file is
// rewritten at Open. Thread-safe.
class TombstoneLog {
 public:
  static constexpr absl::Duration kRetention = absl::Hours(24 * 30);

  struct Entry {
    int64_t seen = 0;     // Highest generation of any Put.
    int64_t stopped = 0;  // Highest generation that was stopped.
    int64_t unix_seconds = 0;
  };

  // Reads `path` (a missing one is empty; a torn last line is ignored) and rewrites it compactly.
  static absl::StatusOr<std::unique_ptr<TombstoneLog>> Open(const std::string& path,
                                                            absl::Time now);
  ~TombstoneLog();

  // Zeroes for a session that it doesn't know.
  Entry Get(const std::string& session_id) const;

  // Both raise, never lower. The returned ticket is for WaitDurable. An error means that nothing
  // was recorded.
  absl::StatusOr<uint64_t> RecordSeen(const std::string& session_id, int64_t generation,
                                      absl::Time now);
  absl::StatusOr<uint64_t> RecordStopped(const std::string& session_id, int64_t generation,
                                         absl::Time now);

  // Returns once everything up to `ticket` is on disk. After a failed flush every wait fails, as
  // the kernel may have dropped the pages: the agent must not acknowledge anything any more.
  absl::Status WaitDurable(uint64_t ticket);

 private:
  TombstoneLog(UniqueFd file, absl::flat_hash_map<std::string, Entry> entries);
  absl::StatusOr<uint64_t> Append(const std::string& session_id, const Entry& entry)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FlushLoop();

  const UniqueFd file_;
  mutable absl::Mutex mutex_;
  absl::flat_hash_map<std::string, Entry> entries_ ABSL_GUARDED_BY(mutex_);
  uint64_t written_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t durable_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread flusher_;
};

}  // namespace paddock::nodeagent
