#include "controlplane/core/session_events.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/ids.h"

namespace paddock {
namespace {

std::string EventId(const Session& session, SessionStatusKind status) {
  const absl::string_view suffix = absl::StripPrefix(session.id.value(), kSessionPrefix);
  switch (status) {
    case SessionStatusKind::kIdle:
      return absl::StrCat("sevt_", suffix, "_0");
    case SessionStatusKind::kRescheduling:
      // Each time anew.
      return absl::StrCat("sevt_", suffix, "_", session.generation);
    case SessionStatusKind::kTerminated:
      return absl::StrCat("sevt_", suffix, "_end");
  }
  return "";
}

absl::Time TimeOf(const Session& session, SessionStatusKind status) {
  switch (status) {
    case SessionStatusKind::kIdle:
      return session.created_at;
    case SessionStatusKind::kRescheduling:
      return session.updated_at;
    case SessionStatusKind::kTerminated:
      // Whichever came first; a session that is archived ends a little later.
      if (session.archived_at.has_value() &&
          (!session.ended_at.has_value() || *session.archived_at < *session.ended_at)) {
        return *session.archived_at;
      }
      return session.ended_at.value_or(session.updated_at);
  }
  return session.updated_at;
}

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

std::vector<SessionEvent> EventsOf(const Session& session) {
  std::vector<SessionEvent> events;
  const SessionStatusKind now = StatusKindOf(session);
  for (const SessionStatusKind status : {SessionStatusKind::kIdle, now}) {
    if (!events.empty() && events.back().status == status) continue;
    events.push_back({EventId(session, status), status, TimeOf(session, status)});
  }
  return events;
}

}  // namespace paddock
