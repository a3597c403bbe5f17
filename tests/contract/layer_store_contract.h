#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/clock.h"
#include "nodeagent/image/layer_store.h"
#include "nodeagent/image/volume_store.h"
#include "nodeagent/system/file.h"
#include "nodeagent/system/subprocess.h"

namespace paddock::nodeagent {

// What every LayerStore does with what builds made in the volumes beside it. A back end's test
// derives a Fixture with `LayerStore& layers()`, `VolumeStore& volumes()`, `FakeClock& clock()`,
// `NewStore()` (as a restarted agent) and `std::string directory()` for files of the test's own.
template <typename Fixture>
class LayerStoreContract : public Fixture {
 protected:
  static constexpr int64_t kMiB = 1 << 20;

  // A base image with one file; its digest.
  std::string Base() {
    const std::string tree = this->directory() + "/tree";
    EXPECT_TRUE(MakeDirectories(tree + "/etc").ok());
    EXPECT_TRUE(WriteFile(tree + "/etc/environment", "PATH=/bin\nLANG=C\n", 0644).ok());
    const std::string archive = this->directory() + "/base.tar";
    SpawnSpec pack;
    pack.argv = {"tar", "-C", tree, "-cf", archive, "."};
    EXPECT_TRUE(RunChecked(pack).ok());
    const absl::StatusOr<std::string> digest = this->layers().Import(archive);
    EXPECT_TRUE(digest.ok()) << digest.status();
    return digest.value_or("");
  }
  // A build in a volume `id` that wrote one file.
  LayerDraft Draft(const std::string& id, const std::string& parent, const std::string& key,
                   const std::string& content = "x") {
    const absl::StatusOr<std::string> volume = this->volumes().Create(id, 64 * kMiB);
    EXPECT_TRUE(volume.ok()) << volume.status();
    LayerDraft draft;
    draft.volume_dir = *volume;
    draft.layer.parent = parent;
    draft.layer.manager = "apt";
    draft.layer.cache_key = key;
    draft.layer.environment = {"LANG=" + id};
    EXPECT_TRUE(WriteFile(*volume + "/upper/file", content, 04755).ok());
    EXPECT_EQ(chmod((*volume + "/upper/file").c_str(), 04755), 0);
    return draft;
  }
  Layer Committed(const std::string& id, const std::string& parent, const std::string& key,
                  const std::string& content = "x") {
    const absl::StatusOr<Layer> layer = this->layers().Commit(Draft(id, parent, key, content));
    EXPECT_TRUE(layer.ok()) << layer.status();
    EXPECT_TRUE(this->volumes().Destroy(id).ok());
    return layer.value_or(Layer());
  }
};

TYPED_TEST_SUITE_P(LayerStoreContract);

TYPED_TEST_P(LayerStoreContract, ACommittedBuildIsALayerOnItsParent) {
  const std::string base = this->Base();
  const LayerDraft draft = this->Draft("build_a", base, "key");
  const std::string upper = draft.volume_dir + "/upper";
  ASSERT_EQ(mknod((upper + "/gone").c_str(), S_IFCHR, makedev(0, 0)), 0);
  ASSERT_EQ(setxattr(upper.c_str(), "trusted.overlay.opaque", "y", 1, 0), 0);
  const absl::StatusOr<Layer> layer = this->layers().Commit(draft);
  ASSERT_TRUE(layer.ok()) << layer.status();
  EXPECT_TRUE(this->volumes().Destroy("build_a").ok());
  EXPECT_EQ(layer->parent, base);
  struct stat st;
  ASSERT_EQ(stat((layer->root_dir + "/file").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 04755u);
  ASSERT_EQ(lstat((layer->root_dir + "/gone").c_str(), &st), 0);
  EXPECT_TRUE(S_ISCHR(st.st_mode));
  char opaque = 0;
  EXPECT_EQ(getxattr(layer->root_dir.c_str(), "trusted.overlay.opaque", &opaque, 1), 1);
  const absl::StatusOr<std::vector<Layer>> chain = this->layers().Chain(layer->digest);
  ASSERT_TRUE(chain.ok()) << chain.status();
  ASSERT_EQ(chain->size(), 2u);
  EXPECT_EQ((*chain)[1].digest, base);
  EXPECT_THAT(MergedEnvironment(*chain), ::testing::ElementsAre("PATH=/bin", "LANG=build_a"));
}

// An overlay takes inode numbers of layers on one file system for unique, and programs (dynamic
// linkers, tar) take two files of one number for one.
TYPED_TEST_P(LayerStoreContract, NoTwoFilesOfDifferentLayersHaveOneInodeNumber) {
  const std::string base = this->Base();
  const Layer one = this->Committed("build_a", base, "a");
  const Layer two = this->Committed("build_b", one.digest, "b");
  std::set<ino_t> numbers;
  for (const std::string& file : {this->layers().Get(base)->root_dir + "/etc/environment",
                                  one.root_dir + "/file", two.root_dir + "/file"}) {
    struct stat st;
    ASSERT_EQ(stat(file.c_str(), &st), 0) << file;
    EXPECT_TRUE(numbers.insert(st.st_ino).second) << file;
  }
}

TYPED_TEST_P(LayerStoreContract, ARestartedAgentFindsIt) {
  const Layer layer = this->Committed("build_a", this->Base(), "key");
  this->NewStore();
  ASSERT_TRUE(this->layers().Sweep().ok());
  const absl::StatusOr<Layer> found = this->layers().FindByKey("key");
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->digest, layer.digest);
  EXPECT_EQ(found->size_bytes, layer.size_bytes);
  EXPECT_TRUE(this->layers().Chain(layer.digest).ok());
  EXPECT_TRUE(absl::IsNotFound(this->layers().FindByKey("other").status()));
  EXPECT_TRUE(absl::IsNotFound(this->layers().FindByKey("").status()));
}

TYPED_TEST_P(LayerStoreContract, TheFirstForAKeyWins) {
  const std::string base = this->Base();
  const Layer first = this->Committed("build_a", base, "key", "first");
  const Layer second = this->Committed("build_b", base, "key", "second");
  EXPECT_EQ(second.digest, first.digest);
  EXPECT_EQ(this->layers().List()->size(), 2u);
  EXPECT_EQ(*ReadFile(first.root_dir + "/file"), "first");
}

TYPED_TEST_P(LayerStoreContract, EqualTreesOnDifferentParentsAreDifferentLayers) {
  const std::string base = this->Base();
  const Layer below = this->Committed("build_a", base, "a");
  const Layer above = this->Committed("build_a", below.digest, "b");
  EXPECT_NE(above.digest, below.digest);
  EXPECT_EQ(this->layers().Chain(above.digest)->size(), 3u);
}

TYPED_TEST_P(LayerStoreContract, WhatIsNotWholeIsNotThere) {
  const std::string base = this->Base();
  LayerDraft cancelled = this->Draft("build_a", base, "key");
  cancelled.cancelled = [] { return true; };
  EXPECT_TRUE(absl::IsCancelled(this->layers().Commit(cancelled).status()));
  EXPECT_TRUE(this->volumes().Destroy("build_a").ok());
  const LayerDraft orphan = this->Draft("build_b", "sha256:" + std::string(64, '0'), "key");
  EXPECT_TRUE(absl::IsNotFound(this->layers().Commit(orphan).status()));
  EXPECT_TRUE(this->volumes().Destroy("build_b").ok());
  EXPECT_TRUE(absl::IsNotFound(this->layers().FindByKey("key").status()));
  EXPECT_EQ(this->layers().List()->size(), 1u);
}

TYPED_TEST_P(LayerStoreContract, CollectsTheLeastRecentlyUsedAndNeverOneInUse) {
  const std::string base = this->Base();
  const std::string big(static_cast<size_t>(this->kMiB), 'x');
  const Layer used = this->Committed("build_a", base, "a", big + "a");
  this->clock().Advance(absl::Hours(1));
  const Layer old = this->Committed("build_b", base, "b", big + "b");
  this->clock().Advance(absl::Hours(1));
  const Layer below = this->Committed("build_c", base, "c", big + "c");
  const Layer above = this->Committed("build_d", below.digest, "d", big + "d");
  // Within grace nothing goes.
  EXPECT_THAT(*this->layers().Collect(0, {base, used.digest}, absl::Hours(9)),
              ::testing::IsEmpty());
  this->clock().Advance(absl::Hours(1));
  // Room for three of the four.
  const int64_t room = used.size_bytes + below.size_bytes + above.size_bytes + this->kMiB / 2;
  EXPECT_THAT(*this->layers().Collect(room, {base, used.digest}, absl::Minutes(1)),
              ::testing::ElementsAre(old.digest));
  EXPECT_TRUE(absl::IsNotFound(this->layers().Chain(old.digest).status()));
  EXPECT_FALSE(PathExists(old.root_dir));
  // Children before parents; what a session uses stays whatever the budget.
  EXPECT_THAT(*this->layers().Collect(0, {base, used.digest}, absl::Minutes(1)),
              ::testing::ElementsAre(above.digest, below.digest));
  EXPECT_TRUE(this->layers().Chain(used.digest).ok());
  this->NewStore();
  EXPECT_EQ(this->layers().List()->size(), 2u);
}

TYPED_TEST_P(LayerStoreContract, AnotherUseIsRememberedAcrossARestart) {
  const std::string base = this->Base();
  const Layer first = this->Committed("build_a", base, "a", "a");
  this->clock().Advance(absl::Hours(1));
  const Layer second = this->Committed("build_b", base, "b", "b");
  this->clock().Advance(absl::Hours(1));
  ASSERT_TRUE(this->layers().Chain(first.digest).ok());
  this->NewStore();
  this->clock().Advance(absl::Hours(1));
  const int64_t room = first.size_bytes + this->layers().Get(base)->size_bytes;
  EXPECT_THAT(*this->layers().Collect(room, {base}, absl::Minutes(1)),
              ::testing::ElementsAre(second.digest));
}

REGISTER_TYPED_TEST_SUITE_P(LayerStoreContract, ACommittedBuildIsALayerOnItsParent,
                            NoTwoFilesOfDifferentLayersHaveOneInodeNumber, ARestartedAgentFindsIt,
                            TheFirstForAKeyWins, EqualTreesOnDifferentParentsAreDifferentLayers,
                            WhatIsNotWholeIsNotThere, CollectsTheLeastRecentlyUsedAndNeverOneInUse,
                            AnotherUseIsRememberedAcrossARestart);

}  // namespace paddock::nodeagent
