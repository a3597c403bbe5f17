#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "controlplane/core/resources.h"

namespace paddock {

// Where a node agent is reached, and who must answer there.
struct NodeTarget {
  NodeId id;
  std::string address;  // host:port
};

// The build of one layer, as a node is told.
struct LayerOrder {
  std::string build_id;
  std::string cache_key;
  std::string base_image;
  std::string parent;  // Digest of the layer below; empty: the base image.
  std::string manager;
  bool toolchain = false;
  std::vector<std::string> specs;
  NetworkPolicy network;
  ComputeLimits limits;
  absl::Duration timeout;
};

// What a node answers: a layer in its store, or why there is none.
struct BuiltLayer {
  std::string digest;
  int64_t size_bytes = 0;
  absl::Duration duration;
  std::vector<std::string> registry_hosts;
  std::vector<std::string> other_hosts;
};
using BuildOutcome = std::variant<BuiltLayer, ImageFailure>;

// A call under way. Thread-safe.
class NodeCall {
 public:
  virtual ~NodeCall() = default;
  // Its callback follows, soon. Doesn't block; idempotent.
  virtual void Cancel() = 0;
};

// Calls to node agents. Asynchronous and thread-safe: a callback runs exactly once, on a thread of
// the implementation, which it must not block; it may run before the call returns. Every call has a
// deadline. Nothing is retried here.
class NodeClient {
 public:
  using PutCallback = std::function<void(absl::StatusOr<SessionStatus>)>;
  using StopCallback = std::function<void(absl::StatusOr<std::optional<SessionStatus>>)>;
  using LineCallback = std::function<void(std::string line)>;
  using BuildCallback = std::function<void(absl::StatusOr<BuildOutcome>)>;

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

  // Builds a layer. `on_line` is called for each line of its log, one call at a time, all before
  // `callback`. Cancelling it ends the build and leaves nothing on the node.
  //   RESOURCE_EXHAUSTED  the node builds enough already.
  //   others              no layer is known to exist; trying again does no harm.
  virtual std::shared_ptr<NodeCall> BuildLayer(const NodeTarget& node, const LayerOrder& order,
                                               absl::Duration deadline, LineCallback on_line,
                                               BuildCallback callback) = 0;
};

}  // namespace paddock
