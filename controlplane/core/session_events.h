#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "controlplane/core/resources.h"

namespace paddock {

// A session as clients see it that know of no sandbox: work is done in it, or it waits.
enum class SessionStatusKind { kIdle, kRescheduling, kTerminated };

// PENDING, STARTING and RUNNING wait for work; STOPPING and TERMINATED take none any more; nor does
// one that is archived. Pure.
SessionStatusKind StatusKindOf(const Session& session);

// A change of a session's status.
struct SessionEvent {
  std::string id;  // The same whenever the event is asked for.
  SessionStatusKind status = SessionStatusKind::kIdle;
  absl::Time at;
};

// What a session's record tells of its life, oldest first: it waited from its creation on, and what
// it is now if that is something else. A time of rescheduling that is over isn't in the record.
// Pure.
std::vector<SessionEvent> EventsOf(const Session& session);

}  // namespace paddock
