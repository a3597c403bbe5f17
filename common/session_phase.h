#pragma once

#include <array>
#include <optional>

#include "absl/strings/string_view.h"

namespace paddock {

// Where a session is in its life.
//
//   PENDING ──► STARTING ──► RUNNING ──► STOPPING ──► TERMINATED
//    ▲  │        ▲  │ │         │ │          ▲             ▲
//    │  │        │  │ └─────────│─┴── stop ──┤             │
//    │  └────────│──│───────────│────────────│─────────────┤ from any phase: the end without a
//    │           │  ▼           ▼            │             │ stop (failure, or nothing runs yet),
//    └───────── RESCHEDULING ◄──┘────────────┘─────────────┘ with reason and message
//
// PENDING: waits for a node with room. STARTING: placed, the agent makes the container. RUNNING:
// commands can be started. STOPPING: the container is being ended. RESCHEDULING: its node was lost
// or rebooted, or its start is tried elsewhere; goes to PENDING, or to STARTING where the new
// placement is made in the same transaction. TERMINATED is final.
enum class SessionPhase { kPending, kStarting, kRunning, kRescheduling, kStopping, kTerminated };

inline constexpr std::array<SessionPhase, 6> kAllSessionPhases = {
    SessionPhase::kPending,      SessionPhase::kStarting, SessionPhase::kRunning,
    SessionPhase::kRescheduling, SessionPhase::kStopping, SessionPhase::kTerminated};

// The one transition table. Staying where it is isn't a transition: false for equal phases.
bool CanTransition(SessionPhase from, SessionPhase to);

// Whether the session has, or may have, a container on a node: it is placed and charged there.
bool MayHaveContainer(SessionPhase phase);

// TERMINATED: nothing follows.
bool IsFinal(SessionPhase phase);

// The name in upper case, such as "RUNNING": what is stored and logged.
absl::string_view SessionPhaseName(SessionPhase phase);

// The inverse of SessionPhaseName; nullopt for anything else.
std::optional<SessionPhase> ParseSessionPhase(absl::string_view name);

}  // namespace paddock
