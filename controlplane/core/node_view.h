#pragma once

#include <map>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "controlplane/core/node_store.h"
#include "controlplane/core/recent_charges.h"
#include "controlplane/core/resources.h"

namespace paddock {

// The fleet as it was a moment ago, for choosing nodes. The view may be stale; the transaction that
// charges a node can't be. Thread-safe.
class NodeView {
 public:
  using Nodes = std::shared_ptr<const std::vector<Node>>;

  // The arguments must outlive this.
  NodeView(NodeStore* store, Clock* clock)
      : store_(store), clock_(clock), fleet_(FleetOf(std::vector<Node>())) {}

  // The nodes as they were read, and what has been placed since then. Never null.
  struct Fleet {
    Nodes nodes;
    std::shared_ptr<RecentCharges> recent;
  };

  // For how long after a failure other nodes are preferred.
  static constexpr absl::Duration kAvoidFor = absl::Seconds(5);

  // What is known; never null. Doesn't block.
  Nodes Get() const { return Current().nodes; }
  Fleet Current() const;

  // This replica's calls to the node fail, or starts there do: others are preferred for a while.
  // The database knows nothing of it, because the node may answer the other replicas. Doesn't
  // block.
  void Avoid(const NodeId& id);
  // The node has done what it was asked to. Doesn't block; cheap.
  void Trust(const NodeId& id);

  // Reads the fleet unless that was done within `age`; callers at once share one read.
  absl::Status RefreshIfOlder(absl::Duration age);

 private:
  static Fleet FleetOf(std::vector<Node> nodes);
  void Mark(std::vector<Node>* nodes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void MarkAgain() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  NodeStore* const store_;
  Clock* const clock_;
  bool NotRefreshing() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return !refreshing_; }

  mutable absl::Mutex mutex_;
  bool refreshing_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status last_refresh_ ABSL_GUARDED_BY(mutex_);
  Fleet fleet_ ABSL_GUARDED_BY(mutex_);
  std::map<NodeId, absl::Duration> avoid_until_ ABSL_GUARDED_BY(mutex_);
  absl::Duration read_at_ ABSL_GUARDED_BY(mutex_) = -absl::InfiniteDuration();
};

}  // namespace paddock
