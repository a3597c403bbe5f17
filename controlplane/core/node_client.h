#pragma once

#include <functional>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "controlplane/core/resources.h"

namespace paddock {

// Where a node agent is reached, and who must answer there.
struct NodeTarget {
  NodeId id;
  std::string address;  // host:port
};

// Calls to node agents. Asynchronous and thread-safe: a callback runs exactly once, on a thread of
// the implementation, which it must not block; it may run before the call returns. Every call has a
// deadline. Nothing is retried here.
class NodeClient {
 public:
  using PutCallback = std::function<void(absl::StatusOr<SessionStatus>)>;
  using StopCallback = std::function<void(absl::StatusOr<std::optional<SessionStatus>>)>;

  virtual ~NodeClient() = default;

  // Starts a session; answers once it is RUNNING or has failed (state kTerminated with the reason).
  //   RESOURCE_EXHAUSTED   the node has no room; nothing was started.
  //   FAILED_PRECONDITION  this or a later generation was seen or stopped there.
  //   others               unknown whether it runs; heartbeats tell.
  virtual void PutSession(const NodeTarget& node, const SessionSpec& spec, int64_t revision,
                          absl::Duration deadline, PutCallback callback) = 0;

  // Ends a session. OK: it is absent, and nothing delayed will start it again.
  virtual void StopSession(const NodeTarget& node, const SessionStop& stop, absl::Duration deadline,
                           StopCallback callback) = 0;
};

}  // namespace paddock
