#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nodeagent/image/layer_store.h"
#include "nodeagent/image/volume_store.h"

namespace paddock::nodeagent {

// The best way to bound volumes below `volumes_dir` (a directory that exists; a mount point or not)
// that its file system can do: btrfs simple quotas, classic btrfs qgroups, project quotas, else
// loop-mounted ext4 files. backend() says which.
absl::StatusOr<std::unique_ptr<VolumeStore>> MakeVolumeStore(const std::string& volumes_dir);

// Layers in <volumes_dir>/layers.
absl::StatusOr<std::unique_ptr<LayerStore>> MakeLayerStore(const std::string& volumes_dir);

}  // namespace paddock::nodeagent
