#pragma once

#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "nodeagent/image/layer_registry.h"
#include "nodeagent/image/layer_store.h"

namespace paddock::nodeagent {

// The layers of this node, and those that it lacks from a registry: whoever wants an image's chain
// waits until it is here. Nothing is owned. Thread-safe; one layer is pulled at a time.
class PullingLayerStore : public LayerStore {
 public:
  PullingLayerStore(LayerStore* local, LayerRegistry* registry)
      : local_(local), registry_(registry) {}

  absl::StatusOr<std::vector<Layer>> Chain(const std::string& digest) override
      ABSL_LOCKS_EXCLUDED(pull_mutex_);

  absl::StatusOr<Layer> Get(const std::string& digest) override { return local_->Get(digest); }
  absl::StatusOr<Layer> FindByKey(const std::string& cache_key) override {
    return local_->FindByKey(cache_key);
  }
  absl::StatusOr<std::vector<Layer>> List() override { return local_->List(); }
  absl::StatusOr<std::string> Import(const std::string& archive) override {
    return local_->Import(archive);
  }
  absl::StatusOr<Layer> ImportLayer(const std::string& archive, const Layer& layer) override {
    return local_->ImportLayer(archive, layer);
  }
  absl::StatusOr<Layer> Commit(const LayerDraft& draft) override { return local_->Commit(draft); }
  absl::StatusOr<std::vector<std::string>> Collect(int64_t budget_bytes,
                                                   const std::set<std::string>& in_use,
                                                   absl::Duration grace) override {
    return local_->Collect(budget_bytes, in_use, grace);
  }
  absl::Status Sweep() override;

 private:
  LayerStore* const local_;
  LayerRegistry* const registry_;
  absl::Mutex pull_mutex_;
};

}  // namespace paddock::nodeagent
