#pragma once

#include <optional>

#include "controlplane/core/resources.h"
#include "controlplane/core/session_store.h"

namespace paddock {

// Reasons that node agents give and that mean more than the end.
inline constexpr char kReasonNodeRebooted[] = "NODE_REBOOTED";
inline constexpr char kReasonFenced[] = "FENCED";
inline constexpr char kReasonImageMissing[] = "IMAGE_MISSING";
inline constexpr char kReasonStartFailed[] = "START_FAILED";

// The step that an agent's word about a session's current generation asks for; nullopt: none (it is
// still starting, or stopping). Whether it is allowed is for SessionStore::Apply. Not for
// NODE_REBOOTED of a KEEP session, which is restarted in place. Pure.
std::optional<SessionTransition> TransitionFor(const SessionStatus& status,
                                               OnNodeLoss on_node_loss);

}  // namespace paddock
