#include "controlplane/core/loss_detector.h"

#include <utility>

namespace paddock {

std::vector<LossDetector::Lost> LossDetector::Observe(absl::Duration now,
                                                      const std::vector<Node>& nodes,
                                                      const std::map<NodeId, int64_t>& runs) {
  if (now - last_read_ > kMaxGap) seen_.clear();
  last_read_ = now;
  std::map<NodeId, Seen> seen;
  std::vector<Lost> lost;
  size_t counted = 0;
  size_t silent = 0;
  for (const Node& node : nodes) {
    auto it = seen_.find(node.id);
    const bool unchanged = it != seen_.end() && it->second.counter == node.heartbeat_counter;
    const Seen entry = unchanged ? it->second : Seen{node.heartbeat_counter, now};
    seen[node.id] = entry;
    // The database's clock only makes this more careful: what has long been silent counts as silent
    // from the first read on.
    const bool is_silent = now - entry.since >= settings_.not_ready_after ||
                           node.silent_for >= settings_.not_ready_after;
    if (is_silent && runs.count(node.id) == 0) continue;
    ++counted;
    if (is_silent) ++silent;
    if (now - entry.since >= settings_.lost_after) {
      lost.push_back({node.id, node.heartbeat_counter});
    }
  }
  seen_ = std::move(seen);
  if (silent * 3 > counted) lost.clear();
  return lost;
}

void LossDetector::Reset() {
  seen_.clear();
  last_read_ = -absl::InfiniteDuration();
}

}  // namespace paddock
