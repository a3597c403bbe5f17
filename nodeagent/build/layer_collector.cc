#include "nodeagent/build/layer_collector.h"

#include <set>
#include <utility>
#include <vector>

#include "common/log.h"

namespace paddock::nodeagent {

LayerCollector::LayerCollector(LayerStore* layers, const SessionManager* sessions,
                               const LayerBuilder* builder, std::string base_image,
                               int64_t budget_bytes)
    : layers_(layers),
      sessions_(sessions),
      builder_(builder),
      base_image_(std::move(base_image)),
      budget_bytes_(budget_bytes) {}

void LayerCollector::Run() {
  std::set<std::string> in_use = builder_->ImagesInUse();
  in_use.merge(sessions_->ImagesInUse());
  in_use.insert(base_image_);
  const absl::StatusOr<std::vector<std::string>> removed =
      layers_->Collect(budget_bytes_, in_use, kGrace);
  if (!removed.ok()) {
    LogWarning("can't collect layers", {{"error", removed.status().ToString()}});
    return;
  }
  for (const std::string& digest : *removed) {
    LogInfo("a layer was collected", {{"digest", digest}, {"budget_bytes", budget_bytes_}});
  }
}

}  // namespace paddock::nodeagent
