// Where to go on with an image. Pure, but for looking up layers.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "controlplane/core/image_chain.h"
#include "controlplane/core/image_store.h"
#include "controlplane/core/resources.h"

namespace paddock {

// Nodes that failed a moment ago are worse than others.
using NodeDoubt = std::function<bool(const NodeId&)>;
using LayerLookup = std::function<absl::StatusOr<std::vector<Layer>>(const std::string& cache_key)>;

struct ImagePlan {
  enum class Kind {
    kReady,  // `layers` is the whole image.
    kBuild,  // `step` comes next, on one of `nodes`.
    kWait,   // No node can build now; `message` says why.
  };
  Kind kind = Kind::kWait;
  std::vector<Layer> layers;  // What is there, first to last.
  ImageStep step;
  std::string cache_key;
  int known_layers = 0;  // Of that key, which can't be used.
  std::string parent;    // Digest of the layer below; empty: the base image.
  std::string base_image;
  std::vector<Node> nodes;  // That have the parent; the best first.
  std::string message;
};

// Whether a node that isn't lost has the image.
bool IsSomewhere(const std::vector<Node>& nodes, const std::string& digest);

// The image of `environment`, which has a cloud config. It is READY where one node that answers
// (any at all, when images can be pulled) has all of its layers; else it goes on where most of them
// are, so nothing is built twice because two nodes have a half each.
absl::StatusOr<ImagePlan> PlanImage(const Environment& environment, const std::vector<Node>& nodes,
                                    bool images_can_be_pulled, const NodeDoubt& doubt,
                                    const LayerLookup& lookup);

}  // namespace paddock
