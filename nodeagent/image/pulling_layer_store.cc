#include "nodeagent/image/pulling_layer_store.h"

#include "absl/strings/str_cat.h"
#include "common/log.h"
#include "common/status_macros.h"

namespace paddock::nodeagent {
namespace {

// Longer than any chain of six managers and their toolchains.
constexpr int kMaxLayers = 32;

}  // namespace

absl::StatusOr<std::vector<Layer>> PullingLayerStore::Chain(const std::string& digest) {
  absl::StatusOr<std::vector<Layer>> chain = local_->Chain(digest);
  if (!absl::IsNotFound(chain.status())) return chain;
  absl::MutexLock lock(&pull_mutex_);
  std::string next = digest;
  for (int i = 0; i < kMaxLayers && !next.empty(); ++i) {
    absl::StatusOr<Layer> layer = local_->Get(next);
    if (absl::IsNotFound(layer.status())) {
      layer = registry_->Pull(next, local_);
      if (layer.ok()) LogInfo("a layer was pulled", {{"digest", next}});
    }
    if (!layer.ok()) {
      return absl::Status(layer.status().code(),
                          absl::StrCat(chain.status().message(),
                                       "; and from the registry: ", layer.status().message()));
    }
    next = layer->parent;
  }
  return local_->Chain(digest);
}

absl::Status PullingLayerStore::Sweep() {
  PADDOCK_RETURN_IF_ERROR(registry_->Sweep());
  return local_->Sweep();
}

}  // namespace paddock::nodeagent
