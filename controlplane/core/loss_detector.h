#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "absl/time/time.h"
#include "controlplane/core/resources.h"
#include "controlplane/core/settings.h"

namespace paddock {

// Decides which nodes are lost, from successive reads of their heartbeat counters by this process's
// monotonic clock alone: steps of any wall clock, the database's too, change nothing. A gap in
// reading starts every count again. Not thread-safe.
class LossDetector {
 public:
  // Reads that are further apart than this don't count as watching throughout.
  static constexpr absl::Duration kMaxGap = absl::Seconds(5);

  explicit LossDetector(const Settings& settings) : settings_(settings) {}

  struct Lost {
    NodeId id;
    int64_t heartbeat_counter = 0;  // Unchanged for lost_after.
  };

  // The nodes that Observe will take for silent when it is given the same read. Changes nothing.
  std::vector<NodeId> Silent(absl::Duration now, const std::vector<Node>& nodes) const;

  // What one successful read at `now` (monotonic) showed. `runs`: sessions with a run, of each
  // silent node. The nodes whose counter has stood still for lost_after; none when more than a
  // third of the nodes have been silent for not_ready_after. Silent nodes on which nothing runs
  // aren't counted.
  std::vector<Lost> Observe(absl::Duration now, const std::vector<Node>& nodes,
                            const std::map<NodeId, int64_t>& runs);

  // Forgets everything: the lease was lost, or a read failed.
  void Reset();

 private:
  struct Seen {
    int64_t counter = 0;
    absl::Duration since;  // When the counter was first read at this value.
  };

  // What `node` is seen as at `now`; `known`: whether earlier reads count.
  Seen Look(absl::Duration now, const Node& node, bool known) const;
  bool IsSilent(absl::Duration now, const Node& node, const Seen& seen) const;

  const Settings settings_;
  std::map<NodeId, Seen> seen_;
  absl::Duration last_read_ = -absl::InfiniteDuration();
};

}  // namespace paddock
