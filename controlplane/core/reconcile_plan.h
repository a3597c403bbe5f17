// What the reconciler decides, from a snapshot and the time. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/time/time.h"
#include "controlplane/core/fleet_store.h"
#include "controlplane/core/resources.h"
#include "controlplane/core/settings.h"

namespace paddock {

// RESCHEDULE sessions of one draining node that are on the move at once, those included that have
// left a node, whichever, and wait for another.
inline constexpr int kMaxMoving = 10;

// The queue in order: a session that fits nowhere holds back those of its shape behind it. Nodes'
// `used` grows with each planned placement, so the plan as a whole fits. Sessions without a place
// are in the plan only when what they say about it has to change.
std::vector<SessionStore::Move> PlanQueue(const std::vector<QueuedSession>& queue,
                                          std::vector<Node> nodes, bool images_can_be_pulled,
                                          uint64_t seed);

// How many of those that wait for a node have run before.
int CountDisplaced(const std::vector<QueuedSession>& queue);

// A draining node: RESCHEDULE sessions leave, a few at a time, and go on running there while that
// many (`displaced`) find no other; KEEP ones end at the deadline, up to which all of this holds.
std::vector<SessionTransition> PlanDrain(const Node& node,
                                         const std::vector<RunningSession>& sessions, int displaced,
                                         absl::Time now);

// A lost node: KEEP sessions that never ran there end, with the reason; nothing is lost with them.
// Those that ran are waited for.
std::vector<SessionTransition> PlanNeverStarted(const std::vector<RunningSession>& sessions);

// A session that stays in a phase beyond its bound ends, with the reason.
SessionTransition PlanStuck(const StuckSession& session);

// How long a session may stay in a phase; InfiniteDuration: without bound.
absl::Duration BoundOf(SessionPhase phase, const Settings& settings);

// A lost node: its RESCHEDULE sessions go elsewhere, if its counter still is `counter`.
std::vector<SessionStore::Move> PlanLost(const NodeId& lost, int64_t counter,
                                         const std::vector<RunningSession>& sessions,
                                         std::vector<Node> nodes, bool images_can_be_pulled,
                                         uint64_t seed);

}  // namespace paddock
