#include "controlplane/api/node_router.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/grpc_status.h"
#include "common/status_macros.h"

namespace paddock {

void NodeRouter::Route(grpc::CallbackServerContext* context,
                       const google::protobuf::MessageLite& request, const std::string& session_id,
                       RouteTo to, Routed routed) {
  dispatcher_->Admit(context, request, Access::kWorkspace,
                     [this, session_id, to,
                      routed = std::move(routed)](const absl::StatusOr<Principal>& caller) mutable {
                       if (!caller.ok()) return routed(caller.status());
                       routed(Find(*caller, session_id, to));
                     });
}

absl::StatusOr<NodeRoute> NodeRouter::Find(const Principal& caller, const std::string& session_id,
                                           RouteTo to) {
  const SessionId id(session_id);
  PADDOCK_ASSIGN_OR_RETURN(const SessionLocation location,
                           to == RouteTo::kRunning ? sessions_->Locate(caller.tenant, id)
                                                   : sessions_->LocateLast(caller.tenant, id));
  return NodeRoute{location.node, location.generation, stubs_(location.node)};
}

absl::Status FromNode(const grpc::Status& status, const NodeId& node) {
  absl::Status result = FromGrpcStatus(status);
  if (result.ok() || ReasonOf(result).has_value()) return result;
  switch (result.code()) {
    case absl::StatusCode::kUnavailable:
      return errors::NodeUnreachable(node.value(), result.message());
    case absl::StatusCode::kCancelled:
      return errors::Cancelled();
    case absl::StatusCode::kDeadlineExceeded:
      return errors::DeadlineExceeded("the node's answer");
    case absl::StatusCode::kResourceExhausted:
      return result;
    default:
      return absl::InternalError(absl::StrCat("node ", node.value(), " answered ",
                                              absl::StatusCodeToString(result.code()), ": ",
                                              result.message()));
  }
}

}  // namespace paddock
