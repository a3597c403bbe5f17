#include "controlplane/api/admin_convert.h"

#include <algorithm>
#include <cstdint>
#include <limits>

#include "common/proto_time.h"
#include "controlplane/api/request_convert.h"

namespace paddock {
namespace {

v1::NodeState ToProto(NodeState state) {
  switch (state) {
    case NodeState::kReady:
      return v1::NODE_STATE_READY;
    case NodeState::kNotReady:
      return v1::NODE_STATE_NOT_READY;
    case NodeState::kLost:
      return v1::NODE_STATE_LOST;
  }
  return v1::NODE_STATE_UNSPECIFIED;
}

v1::NodeResources ToProto(const NodeResources& resources) {
  v1::NodeResources proto;
  proto.set_cpu_millis(resources.cpu_millis);
  proto.set_memory_bytes(resources.memory_bytes);
  proto.set_disk_bytes(resources.disk_bytes);
  proto.set_sessions(resources.sessions);
  return proto;
}

int32_t Count(int64_t count) {
  return static_cast<int32_t>(std::clamp<int64_t>(count, 0, std::numeric_limits<int32_t>::max()));
}

}  // namespace

v1::Node ToProto(const Node& node) {
  v1::Node proto;
  proto.set_id(node.id.value());
  proto.set_name(node.name);
  proto.set_address(node.address);
  proto.set_state(ToProto(node.state));
  // What the node says itself matters while it says anything.
  proto.set_state_reason(node.state_reason.empty() ? node.not_schedulable_reason
                                                   : node.state_reason);
  proto.set_cordoned(node.cordoned);
  proto.set_draining(node.draining);
  *proto.mutable_capacity() = ToProto(node.capacity);
  *proto.mutable_used() = ToProto(node.used);
  *proto.mutable_labels() = ToProtoMap(node.labels);
  proto.mutable_runtime_classes()->Add(node.runtime_classes.begin(), node.runtime_classes.end());
  proto.mutable_images()->Add(node.images.begin(), node.images.end());
  *proto.mutable_details() = ToProtoMap(node.details);
  proto.set_epoch(node.epoch);
  if (node.last_heartbeat_at) {
    *proto.mutable_last_heartbeat_at() = ToTimestamp(*node.last_heartbeat_at);
  }
  *proto.mutable_created_at() = ToTimestamp(node.created_at);
  return proto;
}

v1::DrainNodeResponse ToProto(const NodeStore::DrainProgress& progress) {
  v1::DrainNodeResponse proto;
  proto.set_remaining(Count(progress.remaining));
  proto.set_moved(Count(progress.moved));
  proto.set_ended(Count(progress.ended));
  for (const SessionId& id : progress.remaining_ids) {
    proto.add_remaining_session_ids(id.value());
  }
  return proto;
}

v1::ApiKey ToProto(const ApiKey& key) {
  v1::ApiKey proto;
  proto.set_id(key.id.value());
  proto.set_organization(key.tenant.organization);
  proto.set_workspace(key.tenant.workspace);
  proto.set_name(key.name);
  proto.set_admin(key.admin);
  *proto.mutable_created_at() = ToTimestamp(key.created_at);
  if (key.revoked_at) *proto.mutable_revoked_at() = ToTimestamp(*key.revoked_at);
  return proto;
}

}  // namespace paddock
