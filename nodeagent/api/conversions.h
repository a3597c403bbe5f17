#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nodeagent/build/build_types.h"
#include "nodeagent/init/init_client.h"
#include "nodeagent/init/list_parser.h"
#include "nodeagent/session/session_types.h"
#include "paddock/internal/v1/node.pb.h"

namespace paddock::nodeagent {

// Between the node protocol and the session manager's types. Pure.

// Limits that are 0 get the defaults of the public API (2,000 millicores, 2 GiB, 10 GiB, 1,024).
// INVALID_ARGUMENT for negative ones.
absl::StatusOr<SessionSpec> SpecFromProto(const internal::v1::SessionSpec& proto);
// A policy that can't be read is kNone. Also for builds.
SessionNetwork NetworkFromProto(const internal::v1::NetworkPolicy& proto);
void StatusToProto(const SessionStatus& status, internal::v1::SessionStatus* proto);

// INVALID_ARGUMENT without a command or with a NUL in a string.
absl::StatusOr<ExecSpec> ExecSpecFromProto(const v1::ExecStart& proto);
// InfiniteDuration when unset.
absl::StatusOr<absl::Duration> ExecTimeoutFromProto(const v1::ExecStart& proto);

// Limits and network as in a session's.
absl::StatusOr<BuildSpec> BuildSpecFromProto(const internal::v1::BuildLayerRequest& proto);
void LayerToProto(const Layer& layer, internal::v1::BuiltLayer* proto);
void FailureToProto(const BuildFailure& failure, internal::v1::BuildLayerFailure* proto);

// Bytes that aren't UTF-8 become U+FFFD.
std::string ReplaceInvalidUtf8(absl::string_view text);

// Names are cleaned by ReplaceInvalidUtf8.
void EntryToProto(const DirectoryEntry& entry, v1::DirectoryEntry* proto);

void DurationToProto(absl::Duration duration, google::protobuf::Duration* proto);
absl::Duration DurationFromProto(const google::protobuf::Duration& proto);

}  // namespace paddock::nodeagent
