#include "controlplane/core/image_plan.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace paddock {
namespace {

// How far one node has come with the image.
struct Progress {
  const Node* node = nullptr;
  std::vector<Layer> layers;
  std::optional<ImageStep> next;  // Empty: the image is whole.
  std::string cache_key;
  int known_layers = 0;
};

bool Has(const Node& node, const std::string& digest) {
  return std::find(node.images.begin(), node.images.end(), digest) != node.images.end();
}

bool TakesBuilds(const Node& node) {
  return node.state == NodeState::kReady && !node.cordoned && node.not_schedulable_reason.empty();
}

// Follows the chain as far as this node has it.
class Walk {
 public:
  Walk(const Environment& environment, bool pull, const LayerLookup& lookup)
      : packages_(std::get<CloudConfig>(environment.config).packages),
        refresh_epoch_(environment.image.refresh_epoch),
        policy_(BuildPolicyOf(environment.config)),
        pull_(pull),
        lookup_(lookup) {}

  absl::StatusOr<Progress> Along(const Node& node, const BuildProfile& profile) {
    Progress progress;
    progress.node = &node;
    std::string parent = profile.base_image;
    for (const ImageStep& step : StepsOf(packages_, profile, refresh_epoch_)) {
      std::string key = CacheKey(profile, parent, step);
      PADDOCK_ASSIGN_OR_RETURN(Choice choice, Choose(node, key, policy_));
      if (choice.layer == nullptr && choice.foreign) {
        key = RestrictedCacheKey(key, policy_);
        // Whatever was built under this key could reach no more than this environment.
        PADDOCK_ASSIGN_OR_RETURN(choice, Choose(node, key, NetworkPolicy()));
      }
      if (choice.layer == nullptr) {
        progress.next = step;
        progress.cache_key = std::move(key);
        progress.known_layers = choice.known;
        return progress;
      }
      parent = choice.layer->digest;
      progress.layers.push_back(*choice.layer);
    }
    return progress;
  }

 private:
  struct Choice {
    const Layer* layer = nullptr;
    bool foreign = false;  // One was built with hosts that aren't allowed here.
    int known = 0;
  };

  absl::StatusOr<Choice> Choose(const Node& node, const std::string& key,
                                const NetworkPolicy& policy) {
    auto found = looked_up_.find(key);
    if (found == looked_up_.end()) {
      PADDOCK_ASSIGN_OR_RETURN(std::vector<Layer> layers, lookup_(key));
      found = looked_up_.emplace(key, std::move(layers)).first;
    }
    Choice choice;
    choice.known = static_cast<int>(found->second.size());
    for (const Layer& layer : found->second) {
      if (!AllowsHosts(policy, layer.other_hosts)) {
        choice.foreign = true;
      } else if (choice.layer == nullptr && (pull_ || Has(node, layer.digest))) {
        choice.layer = &layer;
      }
    }
    return choice;
  }

  const Packages& packages_;
  const int64_t refresh_epoch_;
  const NetworkPolicy policy_;
  const bool pull_;
  const LayerLookup& lookup_;
  std::map<std::string, std::vector<Layer>> looked_up_;
};

// Whether the layer to go on from is there, and needn't be pulled.
bool HasParent(const Progress& progress) {
  return progress.layers.empty() || Has(*progress.node, progress.layers.back().digest);
}

double Fullness(const Node& node) {
  const auto share = [](int64_t used, int64_t capacity) {
    return static_cast<double>(used) / static_cast<double>(std::max<int64_t>(capacity, 1));
  };
  return std::max({share(node.used.cpu_millis, node.capacity.cpu_millis),
                   share(node.used.memory_bytes, node.capacity.memory_bytes),
                   share(node.used.disk_bytes, node.capacity.disk_bytes)});
}

ImagePlan Wait(const std::vector<Node>& nodes) {
  ImagePlan plan;
  plan.message = nodes.empty()
                     ? "No node has registered."
                     : absl::StrCat("Of ", nodes.size(), " nodes none can build images now.");
  return plan;
}

ImagePlan Build(const std::vector<Progress>& able, const NodeDoubt& doubt) {
  const auto best =
      std::max_element(able.begin(), able.end(), [&doubt](const Progress& a, const Progress& b) {
        if (a.layers.size() != b.layers.size()) return a.layers.size() < b.layers.size();
        if (HasParent(a) != HasParent(b)) return HasParent(b);
        const bool doubt_a = doubt(a.node->id);
        const bool doubt_b = doubt(b.node->id);
        if (doubt_a != doubt_b) return doubt_a;
        return Fullness(*a.node) > Fullness(*b.node);
      });
  ImagePlan plan;
  plan.kind = ImagePlan::Kind::kBuild;
  plan.layers = best->layers;
  plan.step = *best->next;
  plan.cache_key = best->cache_key;
  plan.known_layers = best->known_layers;
  plan.base_image = best->node->base_image;
  if (!best->layers.empty()) plan.parent = best->layers.back().digest;
  plan.nodes.push_back(*best->node);
  for (const Progress& other : able) {
    if (other.node == best->node || other.cache_key != plan.cache_key) continue;
    plan.nodes.push_back(*other.node);
  }
  std::stable_sort(plan.nodes.begin() + 1, plan.nodes.end(),
                   [&doubt](const Node& a, const Node& b) {
                     if (doubt(a.id) != doubt(b.id)) return doubt(b.id);
                     return Fullness(a) < Fullness(b);
                   });
  return plan;
}

}  // namespace

bool IsSomewhere(const std::vector<Node>& nodes, const std::string& digest) {
  return std::any_of(nodes.begin(), nodes.end(), [&digest](const Node& node) {
    return node.state != NodeState::kLost && Has(node, digest);
  });
}

absl::StatusOr<ImagePlan> PlanImage(const Environment& environment, const std::vector<Node>& nodes,
                                    bool images_can_be_pulled, const NodeDoubt& doubt,
                                    const LayerLookup& lookup) {
  if (std::get<CloudConfig>(environment.config).packages.empty()) {
    ImagePlan plan;
    plan.kind = ImagePlan::Kind::kReady;
    return plan;
  }
  Walk walk(environment, images_can_be_pulled, lookup);
  std::vector<Progress> able;
  for (const Node& node : nodes) {
    if (node.state != NodeState::kReady) continue;
    const std::optional<BuildProfile> profile = ProfileOf(node);
    if (!profile.has_value()) continue;
    PADDOCK_ASSIGN_OR_RETURN(Progress progress, walk.Along(node, *profile));
    if (!progress.next.has_value()) {
      ImagePlan plan;
      plan.kind = ImagePlan::Kind::kReady;
      plan.layers = std::move(progress.layers);
      return plan;
    }
    if (TakesBuilds(node)) able.push_back(std::move(progress));
  }
  return able.empty() ? Wait(nodes) : Build(able, doubt);
}

}  // namespace paddock
