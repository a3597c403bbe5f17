#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/status_macros.h"
#include "nodeagent/session/runtime_prover.h"
#include "tests/privileged/runtime_fixture.h"

namespace paddock::nodeagent {

// Directories as volumes.
class DirectoryVolumes : public VolumeStore {
 public:
  explicit DirectoryVolumes(std::string dir) : dir_(std::move(dir)) {}
  std::string backend() const override { return "directories"; }
  absl::StatusOr<std::string> Create(const std::string& id, int64_t bytes) override {
    const std::string path = absl::StrCat(dir_, "/", id);
    for (const char* part : {"/upper", "/work"}) {
      const absl::Status made = MakeDirectories(absl::StrCat(path, part));
      if (!made.ok()) return made;
    }
    return path;
  }
  absl::Status Destroy(const std::string& id) override {
    return RemoveTree(absl::StrCat(dir_, "/", id));
  }
  absl::StatusOr<std::vector<std::string>> List() override { return ListDirectory(dir_); }
  absl::StatusOr<Usage> GetUsage(const std::string& id) override { return Usage(); }
  absl::StatusOr<Usage> GetFileSystemUsage() override { return Usage(); }

 private:
  const std::string dir_;
};

// One root file system as the only layer.
class OneLayer : public LayerStore {
 public:
  explicit OneLayer(std::string root_dir) : root_dir_(std::move(root_dir)) {}
  absl::StatusOr<Layer> Get(const std::string& digest) override {
    Layer layer;
    layer.digest = digest;
    layer.root_dir = root_dir_;
    layer.environment = {"PATH=/bin"};
    return layer;
  }
  absl::StatusOr<std::vector<Layer>> Chain(const std::string& digest) override {
    PADDOCK_ASSIGN_OR_RETURN(Layer layer, Get(digest));
    return std::vector<Layer>{std::move(layer)};
  }
  absl::StatusOr<Layer> FindByKey(const std::string& cache_key) override { return None(); }
  absl::StatusOr<std::vector<Layer>> List() override { return std::vector<Layer>(); }
  absl::StatusOr<std::string> Import(const std::string& archive) override { return archive; }
  absl::StatusOr<Layer> ImportLayer(const std::string&, const Layer&) override { return None(); }
  absl::StatusOr<Layer> Commit(const LayerDraft& draft) override { return None(); }
  absl::StatusOr<std::vector<std::string>> Collect(int64_t, const std::set<std::string>&,
                                                   absl::Duration) override {
    return std::vector<std::string>();
  }
  absl::Status Sweep() override { return absl::OkStatus(); }

 private:
  static absl::Status None() { return absl::NotFoundError("there is one layer only"); }
  const std::string root_dir_;
};

// Pairs that are made when they are asked for, with no network.
class LonelyPairs : public NamespacePool {
 public:
  explicit LonelyPairs(uint32_t uid_base) : uid_base_(uid_base) {}
  absl::StatusOr<NamespacePair> Acquire() override {
    absl::StatusOr<TestNamespaces> made = MakeTestNamespaces(uid_base_);
    if (!made.ok()) return made.status();
    NamespacePair pair;
    pair.index = 0;
    pair.uid_base = uid_base_;
    pair.address = "10.0.0.16";
    pair.gateway = "10.0.0.3";
    pair.userns = std::move(made->userns);
    pair.netns = std::move(made->netns);
    ++in_use_;
    return pair;
  }
  absl::Status Adopt(int index) override { return absl::OkStatus(); }
  absl::Status Release(int index) override {
    --in_use_;
    return absl::OkStatus();
  }
  absl::Status Sweep() override { return absl::OkStatus(); }
  void Start() override {}
  int in_use() const { return in_use_; }

 private:
  const uint32_t uid_base_;
  int in_use_ = 0;
};

// A node that proves runtime classes. `runtimes_` may be replaced by those of other directories.
class ProofFixture : public RuntimeFixture {
 protected:
  static void SetUpTestSuite() { MakeAgent(""); }
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root";
    layers_ = std::make_unique<OneLayer>(root_dir_);
    volumes_ = std::make_unique<DirectoryVolumes>(scratch_->path() + "/proof-volumes");
    ASSERT_TRUE(MakeDirectories(scratch_->path() + "/proof-volumes").ok());
    resources_.paths = &paths_;
    resources_.layers = layers_.get();
    resources_.volumes = volumes_.get();
    resources_.pool = &pool_;
    resources_.cgroups = cgroups_.get();
    resources_.base_image = "sha256:base";
  }

  // The runtimes of `dir`, beside those of the machine.
  std::unique_ptr<OciRuntimes> FindIn(const std::string& dir) {
    OciRuntimeOptions options;
    options.init_path = PADDOCK_INIT_BINARY;
    options.session_dirs = {scratch_->path()};
    options.search_dirs.insert(options.search_dirs.begin(), dir);
    absl::StatusOr<OciRuntimes> found = MakeOciRuntimes(options, cgroups_.get());
    EXPECT_TRUE(found.ok()) << found.status();
    return found.ok() ? std::make_unique<OciRuntimes>(*std::move(found)) : nullptr;
  }
  absl::Status Prove(const OciRuntimes& runtimes, const std::string& name) {
    resources_.runtimes.clear();
    for (const auto& [found, runtime] : runtimes.found) resources_.runtimes[found] = runtime.get();
    return RuntimeProver(&resources_, "boot").Prove(name);
  }
  // Nothing of a proof is left but what `before` counts.
  void ExpectNothingLeft(const Census& before) {
    ExpectNoMoreThan(before);
    EXPECT_EQ(pool_.in_use(), 0);
    EXPECT_TRUE(volumes_->List()->empty());
    EXPECT_TRUE(ListDirectory(Sessions()).value_or(std::vector<std::string>()).empty());
  }

  Paths paths_{scratch_ == nullptr ? "" : scratch_->path(), ""};
  std::unique_ptr<OneLayer> layers_;
  std::unique_ptr<DirectoryVolumes> volumes_;
  LonelyPairs pool_{kUidBase};
  NodeResources resources_;
};

}  // namespace paddock::nodeagent
