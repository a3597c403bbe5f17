#include "nodeagent/session/session_decision.h"

namespace paddock::nodeagent {

bool IsSuperseded(const SessionView& view) {
  return view.has_record &&
         (view.stop_generation >= view.generation || view.wanted_generation > view.generation ||
          view.phase == SessionPhase::kStopping);
}

bool RemovalKeepsVolume(const SessionView& view) {
  if (!IsSuperseded(view)) return view.keeps_volume;
  return view.wanted_generation > view.stop_generation && view.wanted_keeps_volume;
}

SessionAction Decide(const SessionView& view) {
  if (!view.has_record) {
    if (view.wanted_generation > view.stop_generation) return SessionAction::kStart;
    return view.stop_generation > 0 ? SessionAction::kRemoveUnknown : SessionAction::kNone;
  }
  if (IsSuperseded(view)) return SessionAction::kRemove;
  switch (view.phase) {
    case SessionPhase::kRunning:
      return view.exited ? SessionAction::kHandleExit : SessionAction::kNone;
    case SessionPhase::kTerminated:
      if (!view.removed) return SessionAction::kRemove;
      return view.acknowledged && !view.keeps_volume ? SessionAction::kForget
                                                     : SessionAction::kNone;
    case SessionPhase::kPending:
    case SessionPhase::kStarting:
    case SessionPhase::kRescheduling:
    case SessionPhase::kStopping:
      return SessionAction::kNone;
  }
  return SessionAction::kNone;
}

}  // namespace paddock::nodeagent
