// Conversions between the messages that control plane and node agents exchange and the types of
// core. Pure.
#pragma once

#include "absl/status/statusor.h"
#include "controlplane/core/node_client.h"
#include "controlplane/core/node_store.h"
#include "controlplane/core/nodes.h"
#include "controlplane/core/resources.h"
#include "paddock/internal/v1/node.pb.h"

namespace paddock {

internal::v1::SessionSpec ToProto(const SessionSpec& spec);
internal::v1::StopSessionRequest ToProto(const SessionStop& stop);
internal::v1::DesiredSession ToProto(const DesiredSession& desired);
internal::v1::HeartbeatResponse ToProto(const HeartbeatAnswer& answer);
internal::v1::BuildLayerRequest ToProto(const LayerOrder& order);

// How a build ended. INTERNAL for what no agent should say: no digest, a negative size.
absl::StatusOr<BuildOutcome> FromProto(const internal::v1::BuiltLayer& built);
BuildOutcome FromProto(const internal::v1::BuildLayerFailure& failure, absl::string_view manager);

// What an agent says. INVALID_ARGUMENT naming the field: no session id, no generation, an unknown
// phase, a time or duration out of range.
absl::StatusOr<SessionStatus> FromProto(const internal::v1::SessionStatus& status);
absl::StatusOr<NodeRegistration> FromProto(const internal::v1::RegisterRequest& request);
absl::StatusOr<HeartbeatReport> FromProto(const internal::v1::HeartbeatRequest& request);
absl::StatusOr<std::vector<SessionStatus>> FromProto(
    const google::protobuf::RepeatedPtrField<internal::v1::SessionStatus>& statuses);

}  // namespace paddock
