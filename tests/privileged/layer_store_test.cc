// The layer store beside each kind of volume store, on file systems of the test's own.

#include <gtest/gtest.h>
#include <stdlib.h>

#include "absl/time/clock.h"
#include "nodeagent/image/directory_layer_store.h"
#include "nodeagent/image/loop_volume_store.h"
#include "nodeagent/image/prepare_volumes.h"
#include "nodeagent/image/store_factory.h"
#include "tests/contract/layer_store_contract.h"

namespace paddock::nodeagent {
namespace {

class StoreFixture : public ::testing::Test {
 protected:
  StoreFixture() {
    char name[] = "/var/tmp/paddock-layers-XXXXXX";
    directory_ = mkdtemp(name);
  }
  ~StoreFixture() override { RemoveTree(directory_).IgnoreError(); }
  std::string MountPoint() const { return directory_ + "/volumes"; }
  void NewStore() {
    ASSERT_TRUE(MakeDirectories(MountPoint() + "/layers").ok());
    layers_ = std::make_unique<DirectoryLayerStore>(MountPoint() + "/layers", &clock_);
  }
  LayerStore& layers() { return *layers_; }
  VolumeStore& volumes() { return *volumes_; }
  FakeClock& clock() { return clock_; }
  const std::string& directory() const { return directory_; }

  FakeClock clock_{absl::Now()};
  std::string directory_;
  std::unique_ptr<LayerStore> layers_;
  std::unique_ptr<VolumeStore> volumes_;
};

// A volume is a subvolume, and becomes the layer.
class BtrfsFixture : public StoreFixture {
 protected:
  void SetUp() override {
    ASSERT_TRUE(
        PrepareVolumes(directory_ + "/volumes.btrfs", int64_t{512} << 20, MountPoint()).ok());
    absl::StatusOr<std::unique_ptr<VolumeStore>> store = MakeVolumeStore(MountPoint());
    ASSERT_TRUE(store.ok()) << store.status();
    volumes_ = *std::move(store);
    NewStore();
  }
  void TearDown() override { EXPECT_TRUE(ReleaseVolumes(MountPoint()).ok()); }
};

// A volume is a file system, and is copied.
class LoopFixture : public StoreFixture {
 protected:
  void SetUp() override {
    ASSERT_TRUE(MakeDirectories(MountPoint() + "/sessions").ok());
    volumes_ = std::make_unique<LoopVolumeStore>(MountPoint());
    NewStore();
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(Btrfs, LayerStoreContract, BtrfsFixture);
INSTANTIATE_TYPED_TEST_SUITE_P(LoopExt4, LayerStoreContract, LoopFixture);

}  // namespace
}  // namespace paddock::nodeagent
