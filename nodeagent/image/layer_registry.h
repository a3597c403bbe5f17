#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "nodeagent/image/layer_store.h"

namespace paddock::nodeagent {

struct LayerRegistryOptions {
  std::string repository;  // host[:port]/name; a layer is its tag <hex of the digest>.
  // For skopeo(1), for example --tls-verify=false or --authfile=….
  std::vector<std::string> flags;
  std::string
      scratch_dir;  // Room for a layer or two; what a crash leaves in it is removed by Sweep.
  absl::Duration timeout = absl::Minutes(10);
};

// Layers in an OCI registry, one image each, for the nodes that didn't build them. The image's one
// layer is the tree as it lies on disk (whiteouts as the overlay has them, extended attributes,
// hard links, times to the nanosecond), so that what comes back has the same digest; its label is
// the manifest. What a registry sends is believed only when the digest of the unpacked tree says
// so. Works through skopeo(1). Thread-safe.
class LayerRegistry {
 public:
  explicit LayerRegistry(LayerRegistryOptions options) : options_(std::move(options)) {}

  // Idempotent. Only layers of builds: base images are the operators'.
  absl::Status Push(const Layer& layer);
  // Gets one layer into `store`, not those below it. NOT_FOUND when the registry lacks it.
  absl::StatusOr<Layer> Pull(const std::string& digest, LayerStore* store);
  absl::Status Sweep();

 private:
  absl::StatusOr<std::string> MakeScratch() const;
  absl::Status WriteImage(const Layer& layer, const std::string& directory) const;
  absl::Status Skopeo(std::vector<std::string> arguments) const;
  std::string Reference(const std::string& digest) const;

  const LayerRegistryOptions options_;
};

}  // namespace paddock::nodeagent
