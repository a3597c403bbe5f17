#pragma once

#include <cstdint>

#include "common/session_phase.h"

namespace paddock::nodeagent {

// One session as its worker sees it: what is wanted beside what is there.
struct SessionView {
  // What is, or may be, on this node.
  bool has_record = false;
  int64_t generation = 0;
  SessionPhase phase = SessionPhase::kStarting;
  bool exited = false;        // PID 1 has ended.
  bool removed = false;       // Nothing but the record is left.
  bool keeps_volume = false;  // Its volume waits for a later generation or a stop.
  bool acknowledged = false;  // The control plane has its newest status.
  // What is asked for; 0: nothing.
  int64_t wanted_generation = 0;
  bool wanted_keeps_volume = false;  // It starts from the volume that is there.
  int64_t stop_generation = 0;
};

// What the worker does next.
enum class SessionAction {
  kNone,
  kStart,          // Make what is wanted; nothing is there.
  kHandleExit,     // Say how the container ended.
  kRemove,         // Remove what is there; the record goes too when something else is wanted.
  kRemoveUnknown,  // A stop of what has no record: remove what its id alone names.
  kForget,         // The control plane knows the end: drop the record.
};

// Whether what is there has to go, because it was stopped, replaced or left behind half-made.
bool IsSuperseded(const SessionView& view);

// Whether the volume outlives the removal of what is there. A generation that is wanted decides,
// also beside a stop of the one before; a stop alone takes the volume with it; an end follows its
// own rule.
bool RemovalKeepsVolume(const SessionView& view);

// The diff of wanted and actual. Pure. Every action leads to a view that is nearer to kNone.
SessionAction Decide(const SessionView& view);

}  // namespace paddock::nodeagent
