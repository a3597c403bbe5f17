#pragma once

#include "controlplane/core/resources.h"
#include "controlplane/core/settings.h"

namespace paddock {

// READY, NOT_READY or LOST by the age of the last heartbeat, with the reason why it takes no work;
// sets both in `node`. Pure.
void SetNodeState(const Settings& settings, Node* node);

}  // namespace paddock
