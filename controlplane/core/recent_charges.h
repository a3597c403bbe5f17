#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "controlplane/core/resources.h"

namespace paddock {

// What this replica has placed on nodes since they were read, by their position there: sessions of
// a burst see each other, and spread, although the nodes are read twice a second. An estimate like
// the reading itself; the transaction that charges a node knows. Thread-safe, takes no lock.
class RecentCharges {
 public:
  explicit RecentCharges(const std::vector<Node>& nodes);

  // Nothing for a node that isn't there.
  void Add(const NodeId& node, const ComputeRequests& requests) { Change(node, requests, 1); }
  // It was placed elsewhere, or nowhere.
  void TakeBack(const NodeId& node, const ComputeRequests& requests) { Change(node, requests, -1); }

  NodeResources At(size_t position) const;

 private:
  struct Charge {
    std::atomic<int64_t> cpu_millis{0}, memory_bytes{0}, disk_bytes{0}, sessions{0};
  };
  void Change(const NodeId& node, const ComputeRequests& requests, int64_t times);

  absl::flat_hash_map<std::string, size_t> positions_;
  const std::unique_ptr<Charge[]> charges_;
};

}  // namespace paddock
