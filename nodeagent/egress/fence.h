#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "nodeagent/egress/event_loop.h"
#include "nodeagent/egress/session_table.h"

namespace paddock::nodeagent {

// Kills the sessions that may be running elsewhere by now: those marked `fenced`, once the deadline
// (by CLOCK_BOOTTIME, so suspended time counts) has passed without being renewed. The deadline is
// kept in a file; a new gateway process goes on from it. Lives in the gateway's event loop; not
// thread-safe.
class Fence {
 public:
  static absl::StatusOr<std::unique_ptr<Fence>> Create(EventLoop* loop, SessionTable* table,
                                                       const std::string& file,
                                                       const std::string& boot_id);
  // Persists, then moves the deadline; never backwards.
  absl::Status Renew(absl::Duration sent_at, absl::Duration fence_after);
  // FAILED_PRECONDITION unless a deadline lies ahead: a session that no deadline will end, or that
  // one should have ended, must not be started.
  absl::Status CheckAhead() const;
  int64_t kills() const { return kills_; }

 private:
  Fence(SessionTable* table, std::string file, std::string boot_id)
      : table_(table), file_(std::move(file)), boot_id_(std::move(boot_id)) {}
  void ReadDeadline();
  void Arm();
  // The deadline passed: marks every fenced session as killed, persisted first, and begins to kill.
  void Expire();
  // Another round for every marked session that has processes left.
  void KillRound();

  SessionTable* const table_;
  const std::string file_;
  const std::string boot_id_;
  std::optional<absl::Duration> deadline_;
  std::unique_ptr<LoopTimer> deadline_timer_;
  std::unique_ptr<LoopTimer> kill_timer_;
  int64_t kills_ = 0;
};

}  // namespace paddock::nodeagent
