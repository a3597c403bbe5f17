#include "controlplane/core/session_events.h"

#include "absl/strings/str_cat.h"

namespace paddock {
namespace {

// A session that was archived while it ran.
constexpr char kReasonArchived[] = "ARCHIVED";

}  // namespace

SessionStatusKind StatusKindOf(const Session& session) {
  if (session.archived_at.has_value()) return SessionStatusKind::kTerminated;
  switch (session.state) {
    case SessionPhase::kPending:
    case SessionPhase::kStarting:
    case SessionPhase::kRunning:
      return SessionStatusKind::kIdle;
    case SessionPhase::kRescheduling:
      return SessionStatusKind::kRescheduling;
    case SessionPhase::kStopping:
    case SessionPhase::kTerminated:
      return SessionStatusKind::kTerminated;
  }
  return SessionStatusKind::kTerminated;
}

std::string FailureOf(const Session& session) {
  const bool ended =
      session.state == SessionPhase::kStopping || session.state == SessionPhase::kTerminated;
  if (!ended || session.reason.empty() || session.reason == kReasonArchived) return "";
  return absl::StrCat(session.reason, session.message.empty() ? "" : ": ", session.message);
}

absl::Time TerminatedAt(const Session& session) {
  // Whichever came first; a session that is archived ends a little later.
  if (session.archived_at.has_value() &&
      (!session.ended_at.has_value() || *session.archived_at < *session.ended_at)) {
    return *session.archived_at;
  }
  return session.ended_at.value_or(session.updated_at);
}

}  // namespace paddock
