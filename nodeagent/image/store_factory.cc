#include "nodeagent/image/store_factory.h"

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "nodeagent/image/btrfs_volume_store.h"
#include "nodeagent/image/directory_layer_store.h"
#include "nodeagent/image/loop_volume_store.h"
#include "nodeagent/system/btrfs.h"
#include "nodeagent/system/file.h"

namespace paddock::nodeagent {
namespace {

// An overlay whose layers lie on one file system takes their inode numbers for unique, but each
// btrfs subvolume has numbers of its own; and a dynamic linker takes two libraries of one number
// for one. Layers share a subvolume, and a sandbox makes that many files before it comes to theirs.
constexpr uint64_t kFirstLayerInode = uint64_t{1} << 19;

}  // namespace

absl::StatusOr<std::unique_ptr<VolumeStore>> MakeVolumeStore(const std::string& volumes_dir) {
  PADDOCK_RETURN_IF_ERROR(MakeDirectories(absl::StrCat(volumes_dir, "/sessions"), 0700));
  if (IsBtrfs(volumes_dir)) {
    PADDOCK_ASSIGN_OR_RETURN(const BtrfsQuota quota, GetBtrfsQuota(volumes_dir));
    if (quota != BtrfsQuota::kNone) return std::make_unique<BtrfsVolumeStore>(volumes_dir, quota);
  }
  return std::make_unique<LoopVolumeStore>(volumes_dir);
}

absl::StatusOr<std::unique_ptr<LayerStore>> MakeLayerStore(const std::string& volumes_dir) {
  const std::string layers = absl::StrCat(volumes_dir, "/layers");
  PADDOCK_RETURN_IF_ERROR(MakeDirectories(layers, 0755));
  if (IsBtrfs(layers)) PADDOCK_RETURN_IF_ERROR(SkipInodes(layers, kFirstLayerInode));
  return std::make_unique<DirectoryLayerStore>(layers);
}

}  // namespace paddock::nodeagent
