#pragma once

#include "nodeagent/egress/gateway_client.h"
#include "paddock/internal/v1/node.pb.h"

namespace paddock::nodeagent {

// Pure.
void EventToProto(const EgressEvent& event, internal::v1::NodeEgressEvent* proto);

}  // namespace paddock::nodeagent
