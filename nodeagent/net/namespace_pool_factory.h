#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "nodeagent/net/namespace_pool.h"
#include "nodeagent/net/network_plan.h"

namespace paddock::nodeagent {

struct NamespacePoolOptions {
  NetworkPlan network;
  // The pinned router namespace; GatewayOptions::RouterNetns(). The gateway process makes it, so
  // it has to run first.
  std::string router_netns = {};
  // Slot i has the ids from uid_range_start + i * 65536. Agents that share a machine need ranges
  // that don't overlap.
  uint32_t uid_range_start = 0x70000000;
  int slots = 1024;  // At most network.MaxSlots().
  int ready = 8;     // Pairs that are kept made ahead once Start was called.
  // Re-executed as `<binary> pair-maker …`, a small process that makes the pairs and ends with the
  // pool.
  std::string binary = "/proc/self/exe";
};

// Starts the pair maker. Pairs are made on demand until Start() is called.
absl::StatusOr<std::unique_ptr<NamespacePool>> CreateNamespacePool(
    const NamespacePoolOptions& options);

// Body of `nodeagent pair-maker`; argv[0] is "pair-maker".
int PairMakerMain(int argc, char** argv);

}  // namespace paddock::nodeagent
