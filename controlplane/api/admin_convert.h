// Nodes and API keys as protobuf carries them. Pure.
#pragma once

#include "controlplane/core/node_store.h"
#include "controlplane/core/resources.h"
#include "paddock/v1/admin.pb.h"

namespace paddock {

v1::Node ToProto(const Node& node);
v1::DrainNodeResponse ToProto(const NodeStore::DrainProgress& progress);
v1::ApiKey ToProto(const ApiKey& key);

}  // namespace paddock
