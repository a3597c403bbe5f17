#include "controlplane/core/loss_detector.h"

#include <utility>

namespace paddock {

LossDetector::Seen LossDetector::Look(absl::Duration now, const Node& node, bool known) const {
  const auto it = seen_.find(node.id);
  const bool unchanged = known && it != seen_.end() && it->second.counter == node.heartbeat_counter;
  return unchanged ? it->second : Seen{node.heartbeat_counter, now};
}

bool LossDetector::IsSilent(absl::Duration now, const Node& node, const Seen& seen) const {
  // The database's clock only makes this more careful: what has long been silent counts as silent
  // from the first read on.
  return now - seen.since >= settings_.not_ready_after ||
         node.silent_for >= settings_.not_ready_after;
}

std::vector<NodeId> LossDetector::Silent(absl::Duration now, const std::vector<Node>& nodes) const {
  const bool known = now - last_read_ <= kMaxGap;
  std::vector<NodeId> silent;
  for (const Node& node : nodes) {
    if (IsSilent(now, node, Look(now, node, known))) silent.push_back(node.id);
  }
  return silent;
}

std::vector<LossDetector::Lost> LossDetector::Observe(absl::Duration now,
                                                      const std::vector<Node>& nodes,
                                                      const std::map<NodeId, int64_t>& runs) {
  const bool known = now - last_read_ <= kMaxGap;
  last_read_ = now;
  std::map<NodeId, Seen> seen;
  std::vector<Lost> lost;
  size_t counted = 0;
  size_t silent = 0;
  for (const Node& node : nodes) {
    const Seen entry = Look(now, node, known);
    seen[node.id] = entry;
    const bool is_silent = IsSilent(now, node, entry);
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
