#include "controlplane/core/recent_charges.h"

namespace paddock {

RecentCharges::RecentCharges(const std::vector<Node>& nodes) : charges_(new Charge[nodes.size()]) {
  positions_.reserve(nodes.size());
  for (size_t i = 0; i < nodes.size(); ++i) positions_.emplace(nodes[i].id.value(), i);
}

void RecentCharges::Change(const NodeId& node, const ComputeRequests& requests, int64_t times) {
  const auto found = positions_.find(node.value());
  if (found == positions_.end()) return;
  Charge& charge = charges_[found->second];
  charge.cpu_millis.fetch_add(times * requests.cpu_millis, std::memory_order_relaxed);
  charge.memory_bytes.fetch_add(times * requests.memory_bytes, std::memory_order_relaxed);
  charge.disk_bytes.fetch_add(times * requests.disk_bytes, std::memory_order_relaxed);
  charge.sessions.fetch_add(times, std::memory_order_relaxed);
}

NodeResources RecentCharges::At(size_t position) const {
  const Charge& charge = charges_[position];
  return {charge.cpu_millis.load(std::memory_order_relaxed),
          charge.memory_bytes.load(std::memory_order_relaxed),
          charge.disk_bytes.load(std::memory_order_relaxed),
          charge.sessions.load(std::memory_order_relaxed)};
}

}  // namespace paddock
