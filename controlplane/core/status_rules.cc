#include "controlplane/core/status_rules.h"

#include "absl/strings/str_cat.h"

namespace paddock {
namespace {

std::string EndMessage(const SessionStatus& status) {
  if (!status.message.empty()) return status.message;
  if (status.signal != 0) return absl::StrCat("Ended by signal ", status.signal, ".");
  if (status.exit_code.has_value()) {
    return absl::StrCat("Ended with exit code ", *status.exit_code, ".");
  }
  return "";
}

SessionTransition Ended(const SessionStatus& status, OnNodeLoss on_node_loss) {
  SessionTransition transition;
  transition.id = status.session_id;
  transition.generation = status.generation;
  transition.reason = status.reason.empty() ? "CONTAINER_EXITED" : status.reason;
  transition.message = EndMessage(status);
  transition.stop_reason = transition.reason;
  const bool lost_its_node = status.reason == kReasonFenced || status.reason == kReasonNodeRebooted;
  // Agents say so only of a session without files: it never ran, or runs elsewhere as well as
  // there.
  const bool never_ran = status.reason == kReasonImageMissing;
  if (never_ran || (lost_its_node && on_node_loss == OnNodeLoss::kReschedule)) {
    transition.to = SessionPhase::kRescheduling;
    return transition;
  }
  transition.to = SessionPhase::kTerminated;
  transition.exit_code = status.exit_code;
  if (!transition.exit_code.has_value() && status.signal != 0) {
    transition.exit_code = 128 + status.signal;
  }
  transition.ended_at = status.ended_at;
  return transition;
}

}  // namespace

std::optional<SessionTransition> TransitionFor(const SessionStatus& status,
                                               OnNodeLoss on_node_loss) {
  switch (status.state) {
    case SessionPhase::kRunning: {
      SessionTransition transition;
      transition.id = status.session_id;
      transition.generation = status.generation;
      transition.to = SessionPhase::kRunning;
      transition.reason = status.reason;
      transition.message = status.message;
      transition.started_at = status.started_at;
      return transition;
    }
    case SessionPhase::kTerminated:
      return Ended(status, on_node_loss);
    case SessionPhase::kStarting:
    case SessionPhase::kStopping:
    case SessionPhase::kPending:
    case SessionPhase::kRescheduling:
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace paddock
