#pragma once

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "controlplane/core/resources.h"

namespace paddock {

// A session as clients see it that know of no sandbox: work is done in it, or it waits.
enum class SessionStatusKind { kIdle, kRescheduling, kTerminated };

// PENDING, STARTING and RUNNING wait for work; STOPPING and TERMINATED take none any more; nor does
// one that is archived. Pure.
SessionStatusKind StatusKindOf(const Session& session);

// When it became terminated. Only for one that is. Pure.
absl::Time TerminatedAt(const Session& session);

// Why it ended, when nobody asked for that: reason and message. Empty for one that goes on, or that
// was archived. Pure.
std::string FailureOf(const Session& session);

// A change of a session's status. The first is its creation.
struct SessionEvent {
  int64_t number = 0;  // 1 at first, then without gaps.
  SessionStatusKind status = SessionStatusKind::kIdle;
  absl::Time at;
};

}  // namespace paddock
