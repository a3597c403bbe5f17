#include "common/session_phase.h"

namespace paddock {

bool CanTransition(SessionPhase from, SessionPhase to) {
  switch (from) {
    case SessionPhase::kPending:
      return to == SessionPhase::kStarting || to == SessionPhase::kTerminated;
    case SessionPhase::kStarting:
      return to == SessionPhase::kRunning || to == SessionPhase::kRescheduling ||
             to == SessionPhase::kStopping || to == SessionPhase::kTerminated;
    case SessionPhase::kRunning:
      return to == SessionPhase::kRescheduling || to == SessionPhase::kStopping ||
             to == SessionPhase::kTerminated;
    case SessionPhase::kRescheduling:
      return to == SessionPhase::kPending || to == SessionPhase::kStarting ||
             to == SessionPhase::kStopping || to == SessionPhase::kTerminated;
    case SessionPhase::kStopping:
      return to == SessionPhase::kTerminated;
    case SessionPhase::kTerminated:
      return false;
  }
  return false;
}

bool MayHaveContainer(SessionPhase phase) {
  switch (phase) {
    case SessionPhase::kPending:
    case SessionPhase::kTerminated:
      return false;
    case SessionPhase::kStarting:
    case SessionPhase::kRunning:
    case SessionPhase::kRescheduling:
    case SessionPhase::kStopping:
      return true;
  }
  return true;
}

bool IsFinal(SessionPhase phase) { return phase == SessionPhase::kTerminated; }

absl::string_view SessionPhaseName(SessionPhase phase) {
  switch (phase) {
    case SessionPhase::kPending:
      return "PENDING";
    case SessionPhase::kStarting:
      return "STARTING";
    case SessionPhase::kRunning:
      return "RUNNING";
    case SessionPhase::kRescheduling:
      return "RESCHEDULING";
    case SessionPhase::kStopping:
      return "STOPPING";
    case SessionPhase::kTerminated:
      return "TERMINATED";
  }
  return "UNKNOWN";
}

std::optional<SessionPhase> ParseSessionPhase(absl::string_view name) {
  for (SessionPhase phase : kAllSessionPhases) {
    if (SessionPhaseName(phase) == name) return phase;
  }
  return std::nullopt;
}

}  // namespace paddock
