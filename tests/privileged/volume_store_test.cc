// The volume stores on real file systems in files of the test's own.

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "nodeagent/image/btrfs_volume_store.h"
#include "nodeagent/image/directory_layer_store.h"
#include "nodeagent/image/loop_volume_store.h"
#include "nodeagent/image/prepare_volumes.h"
#include "nodeagent/image/registry_hosts.h"
#include "nodeagent/image/store_factory.h"
#include "nodeagent/system/mount.h"
#include "nodeagent/system/subprocess.h"
#include "tests/contract/volume_store_contract.h"

namespace paddock::nodeagent {
namespace {

// A temporary directory on the machine's disk.
class TemporaryTree : public ::testing::Test {
 protected:
  TemporaryTree() {
    char name[] = "/var/tmp/paddock-volumes-XXXXXX";
    directory_ = mkdtemp(name);
  }
  ~TemporaryTree() override { RemoveTree(directory_).IgnoreError(); }
  std::string directory_;
};

class BtrfsFixture : public TemporaryTree {
 protected:
  void SetUp() override {
    ASSERT_TRUE(PrepareVolumes(Image(), int64_t{512} << 20, MountPoint()).ok());
    absl::StatusOr<std::unique_ptr<VolumeStore>> store = MakeVolumeStore(MountPoint());
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }
  void TearDown() override { EXPECT_TRUE(ReleaseVolumes(MountPoint()).ok()); }
  std::string Image() const { return directory_ + "/volumes.btrfs"; }
  std::string MountPoint() const { return directory_ + "/volumes"; }
  VolumeStore& store() { return *store_; }
  std::unique_ptr<VolumeStore> store_;
};

// As on a kernel without simple quotas: classic ones are on, and stay.
class ClassicQuotaFixture : public BtrfsFixture {
 protected:
  void SetUp() override {
    BtrfsFixture::SetUp();
    ASSERT_TRUE(RunChecked({{"btrfs", "quota", "disable", MountPoint()}}).ok());
    ASSERT_TRUE(RunChecked({{"btrfs", "quota", "enable", MountPoint()}}).ok());
    ASSERT_TRUE(PrepareVolumes(Image(), int64_t{512} << 20, MountPoint()).ok());
    absl::StatusOr<std::unique_ptr<VolumeStore>> store = MakeVolumeStore(MountPoint());
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }
};

class LoopFixture : public TemporaryTree {
 protected:
  void SetUp() override {
    ASSERT_TRUE(MakeDirectories(directory_ + "/sessions").ok());
    store_ = std::make_unique<LoopVolumeStore>(directory_);
  }
  VolumeStore& store() { return *store_; }
  std::unique_ptr<VolumeStore> store_;
};

INSTANTIATE_TYPED_TEST_SUITE_P(Btrfs, VolumeStoreContract, BtrfsFixture);
INSTANTIATE_TYPED_TEST_SUITE_P(BtrfsClassic, VolumeStoreContract, ClassicQuotaFixture);
INSTANTIATE_TYPED_TEST_SUITE_P(LoopExt4, VolumeStoreContract, LoopFixture);

using PrepareVolumesTest = BtrfsFixture;

TEST_F(PrepareVolumesTest, PicksABtrfsBackEnd) {
  EXPECT_TRUE(store().backend() == "btrfs-simple-quota" || store().backend() == "btrfs-qgroup")
      << store().backend();
}

TEST_F(ClassicQuotaFixture, TheFallbackIsNamed) { EXPECT_EQ(store().backend(), "btrfs-qgroup"); }

TEST_F(PrepareVolumesTest, TheFileIsPreallocatedAndStaysSo) {
  struct stat before, after;
  ASSERT_EQ(stat(Image().c_str(), &before), 0);
  EXPECT_GE(before.st_blocks * 512, int64_t{512} << 20);
  ASSERT_TRUE(store().Create("sesn_a", 256 << 20).ok());
  ASSERT_TRUE(store().Destroy("sesn_a").ok());
  ASSERT_TRUE(RunChecked({{"sync", "-f", MountPoint()}}).ok());
  ASSERT_EQ(stat(Image().c_str(), &after), 0);
  EXPECT_EQ(after.st_blocks, before.st_blocks);
}

TEST_F(PrepareVolumesTest, IsIdempotentAndKeepsContentAcrossRelease) {
  ASSERT_TRUE(WriteFile(MountPoint() + "/note", "kept").ok());
  EXPECT_TRUE(PrepareVolumes(Image(), int64_t{512} << 20, MountPoint()).ok());
  ASSERT_TRUE(ReleaseVolumes(MountPoint()).ok());
  EXPECT_FALSE(PathExists(MountPoint() + "/note"));
  EXPECT_TRUE(ReleaseVolumes(MountPoint()).ok());
  ASSERT_TRUE(PrepareVolumes(Image(), int64_t{512} << 20, MountPoint()).ok());
  EXPECT_TRUE(PathExists(MountPoint() + "/note"));
}

// As `ip netns exec` makes one: it has copies of all mounts, and hears of what becomes of them if
// they are shared.
TEST_F(PrepareVolumesTest, ACopyInAnotherMountNamespaceKeepsNothing) {
  const std::string ready = directory_ + "/ready";
  const pid_t other = fork();
  if (other == 0) {
    if (!EnterPrivateMountNamespace().ok() || !WriteFile(ready, "").ok()) _exit(1);
    for (;;) pause();
  }
  ASSERT_GT(other, 0);
  while (!PathExists(ready)) ASSERT_EQ(waitpid(other, nullptr, WNOHANG), 0);
  EXPECT_TRUE(ReleaseVolumes(MountPoint()).ok());
  const auto devices = RunChecked({{"losetup", "--noheadings", "--associated", Image()}});
  kill(other, SIGKILL);
  waitpid(other, nullptr, 0);
  ASSERT_TRUE(devices.ok());
  EXPECT_EQ(*devices, "");
}

TEST_F(PrepareVolumesTest, AFileThatTheDiskCannotHoldIsRefusedAndNotLeft) {
  const std::string image = directory_ + "/huge.btrfs";
  const absl::Status status = PrepareVolumes(image, int64_t{1} << 46, directory_ + "/huge");
  EXPECT_FALSE(status.ok());
  EXPECT_FALSE(PathExists(image));
  EXPECT_FALSE(PathExists(image + ".new"));
}

class LayerStoreTest : public TemporaryTree {
 protected:
  void SetUp() override {
    for (const char* part : {"/tree/bin", "/tree/etc", "/tree/usr/share/paddock", "/store"}) {
      ASSERT_TRUE(MakeDirectories(directory_ + part).ok());
    }
    ASSERT_TRUE(WriteFile(directory_ + "/tree/bin/tool", "#!/bin/sh\n", 0755).ok());
    ASSERT_EQ(chmod((directory_ + "/tree/bin/tool").c_str(), 04755), 0);
    ASSERT_TRUE(
        WriteFile(directory_ + "/tree/etc/environment", "PATH=/bin\nQUOTED=\"a b\"\n").ok());
    ASSERT_TRUE(WriteFile(directory_ + "/tree/" + std::string(kRegistriesFile),
                          R"({"pip": ["index.example"], "apt": ["deb.example", "10.0.0.1"]})")
                    .ok());
    ASSERT_TRUE(RunChecked({{"tar", "-C", directory_ + "/tree", "-cf", Archive(), "."}}).ok());
    store_ = std::make_unique<DirectoryLayerStore>(directory_ + "/store");
  }
  std::string Archive() const { return directory_ + "/base.tar"; }
  std::unique_ptr<DirectoryLayerStore> store_;
};

TEST_F(LayerStoreTest, AnImportKeepsModesAndEnvironment) {
  const absl::StatusOr<std::string> digest = store_->Import(Archive());
  ASSERT_TRUE(digest.ok()) << digest.status();
  const absl::StatusOr<Layer> layer = store_->Get(*digest);
  ASSERT_TRUE(layer.ok()) << layer.status();
  struct stat stats;
  ASSERT_EQ(stat((layer->root_dir + "/bin/tool").c_str(), &stats), 0);
  EXPECT_EQ(stats.st_mode & 07777, 04755u);
  EXPECT_EQ(layer->environment, (std::vector<std::string>{"PATH=/bin", "QUOTED=a b"}));
  EXPECT_EQ(layer->registry_hosts, (std::vector<std::string>{"deb.example", "index.example"}));
  EXPECT_EQ(*store_->Import(Archive()), *digest);
  EXPECT_EQ(store_->List()->size(), 1u);
}

TEST_F(LayerStoreTest, RegistriesAreNotReadThroughLinks) {
  const std::string share = directory_ + "/tree/usr/share";
  ASSERT_EQ(rename((share + "/paddock").c_str(), (directory_ + "/outside").c_str()), 0);
  ASSERT_EQ(symlink((directory_ + "/outside").c_str(), (share + "/paddock").c_str()), 0);
  ASSERT_TRUE(RunChecked({{"tar", "-C", directory_ + "/tree", "-cf", Archive(), "."}}).ok());
  const absl::StatusOr<std::string> digest = store_->Import(Archive());
  ASSERT_TRUE(digest.ok()) << digest.status();
  EXPECT_TRUE(store_->Get(*digest)->registry_hosts.empty());
}

TEST_F(LayerStoreTest, AnArchiveUnlikeItsStatedDigestIsRefused) {
  ASSERT_TRUE(WriteFile(Archive() + ".sha256", std::string(64, 'a')).ok());
  EXPECT_EQ(store_->Import(Archive()).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(store_->List()->empty());
}

TEST_F(LayerStoreTest, ABrokenArchiveLeavesNothing) {
  ASSERT_TRUE(WriteFile(Archive(), "not a tar").ok());
  EXPECT_FALSE(store_->Import(Archive()).ok());
  EXPECT_TRUE(ListDirectory(directory_ + "/store")->empty());
}

TEST_F(LayerStoreTest, SweepRemovesHalfMadeImportsOnly) {
  ASSERT_TRUE(store_->Import(Archive()).ok());
  ASSERT_TRUE(MakeDirectories(directory_ + "/store/.import-abc/rootfs").ok());
  ASSERT_TRUE(store_->Sweep().ok());
  EXPECT_EQ(ListDirectory(directory_ + "/store")->size(), 1u);
}

TEST_F(LayerStoreTest, NamesThatAreNoDigestsAreNotFound) {
  EXPECT_EQ(store_->Get("../..").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace paddock::nodeagent
