#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "controlplane/core/recent_charges.h"
#include "controlplane/core/resources.h"

namespace paddock {

// Of a session that waits, until there is more to say.
inline constexpr char kWaitsForRoom[] = "Waits for a node with room.";

// What a session needs of its node.
struct PlacementNeeds {
  ComputeRequests requests;
  std::string runtime_class;
  std::map<std::string, std::string> node_labels;
  std::string image_digest;  // Empty: the base image, which every node has.
  // The image may be fetched by a node that lacks it.
  bool image_can_be_pulled = false;
};

struct SchedulingResult {
  // The best first; empty when no node will do.
  std::vector<NodeId> candidates;
  // Why there is none, with a message: NO_NODES, NO_MATCHING_NODE (waiting won't help),
  // NO_READY_NODE (those that match don't answer) or NO_ROOM.
  std::string reason;
  std::string message;
};

// Why a node can't take a session; kNone: it can.
enum class Unfit { kNone, kNotReady, kCordoned, kNotSchedulable, kLabels, kRuntime, kImage, kRoom };

// The filter. `recent` is used on the node beside what it says itself.
Unfit CheckFit(const Node& node, const PlacementNeeds& needs, const NodeResources& recent = {});

// The score of a node that fits: higher is better. Prefers nodes that didn't just fail, then those
// that have the image, then those with most room left in their scarcest resource.
double ScoreNode(const Node& node, const PlacementNeeds& needs, const NodeResources& recent = {});

// Filter, then score. Looks at nodes from a place given by `seed` on until it has found enough that
// fit, so the cost doesn't grow with the fleet and replicas don't all choose the same. `recent`, if
// given, counts as used, too. Pure.
SchedulingResult Schedule(const std::vector<Node>& nodes, const PlacementNeeds& needs,
                          uint64_t seed, const RecentCharges* recent = nullptr);

// RUNTIME_CLASS_UNAVAILABLE, with what nodes say about it, when nodes are registered and none
// offers `runtime_class`. Pure.
absl::Status CheckRuntimeClass(const std::vector<Node>& nodes, const std::string& runtime_class);

// Sessions of one shape have the same needs, so that they can wait in one queue.
std::string ShapeOf(const PlacementNeeds& needs);

}  // namespace paddock
