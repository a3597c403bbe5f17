#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/status.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "controlplane/api/dispatcher.h"
#include "controlplane/core/sessions.h"
#include "paddock/internal/v1/node.grpc.pb.h"

namespace paddock {

using NodeStub = internal::v1::NodeAgent::Stub;
// Gives the stub of a node's agent without blocking.
using NodeStubs = std::function<std::shared_ptr<NodeStub>(const NodeTarget&)>;

// Which sessions a call is for.
enum class RouteTo {
  kRunning,         // Commands and files.
  kRunningOrEnded,  // What its node, or its last one, knows of it.
};

// Where one call on a session goes.
struct NodeRoute {
  NodeTarget node;
  int64_t generation = 0;  // The agent refuses another one.
  std::shared_ptr<NodeStub> stub;
};

// Finds the agent that runs a session. Thread-safe; arguments must outlive it.
class NodeRouter {
 public:
  using Routed = absl::AnyInvocable<void(absl::StatusOr<NodeRoute>)>;

  NodeRouter(Dispatcher* dispatcher, SessionOperations* sessions, NodeStubs stubs)
      : dispatcher_(dispatcher), sessions_(sessions), stubs_(std::move(stubs)) {}

  // Authenticates the call and looks the session up, on the pool; calls `routed` once there, or in
  // this thread when `request` is too large or the pool is full. `context` must live until then.
  void Route(grpc::CallbackServerContext* context, const google::protobuf::MessageLite& request,
             const std::string& session_id, RouteTo to, Routed routed);

  // The look-up alone; blocks for the database.
  absl::StatusOr<NodeRoute> Find(const Principal& caller, const std::string& session_id,
                                 RouteTo to);

  Dispatcher* dispatcher() { return dispatcher_; }

 private:
  Dispatcher* const dispatcher_;
  SessionOperations* const sessions_;
  const NodeStubs stubs_;
};

// What a user gets for an agent's answer. Errors with a reason of ours pass; a broken connection is
// UNAVAILABLE naming the node; anything else is our fault, not the user's.
absl::Status FromNode(const grpc::Status& status, const NodeId& node);

}  // namespace paddock
