#include "controlplane/core/gone_detector.h"

#include <utility>

namespace paddock {

std::vector<GoneDetector::Gone> GoneDetector::Observe(absl::Duration now,
                                                      const std::vector<Node>& nodes,
                                                      const std::optional<NodeListing>& listing) {
  if (now - last_read_ > kMaxGap) seen_.clear();
  last_read_ = now;
  std::map<NodeId, Seen> seen;
  std::vector<Gone> gone;
  for (const Node& node : nodes) {
    const auto detail = node.details.find(kNodeObjectDetail);
    if (detail == node.details.end()) continue;
    const std::optional<NodeObject> object = ParseNodeObject(detail->second);
    if (!object.has_value()) continue;
    const auto before = seen_.find(node.id);
    Seen& entry = seen[node.id];
    if (before != seen_.end() && before->second.counter == node.heartbeat_counter) {
      entry = before->second;
    } else {
      // What was listed before the silence says nothing about it.
      entry = {node.heartbeat_counter, now, listing.has_value() ? listing->stamp : "", 0};
    }
    if (!listing.has_value()) continue;
    if (entry.stamp != listing->stamp) {
      entry.stamp = listing->stamp;
      entry.lacking = listing->Lacks(*object) ? entry.lacking + 1 : 0;
    }
    if (entry.lacking >= kListings && now - entry.since >= settings_.lost_after) {
      gone.push_back({node.id, node.heartbeat_counter, detail->second});
    }
  }
  seen_ = std::move(seen);
  return gone;
}

void GoneDetector::Reset() {
  seen_.clear();
  last_read_ = -absl::InfiniteDuration();
}

}  // namespace paddock
