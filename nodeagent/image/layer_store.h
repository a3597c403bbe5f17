#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace paddock::nodeagent {

// A read-only layer on this node. Layers are named by content digest ("sha256:…") and never change.
struct Layer {
  std::string digest;
  std::string root_dir;  // <volumes>/layers/<digest>/rootfs
  std::vector<std::string>
      environment;  // KEY=value that sandboxes from it get (PATH and such), from its manifest.
  // Hosts that the layer's own package managers fetch from (registry_hosts.h), from its manifest.
  std::vector<std::string> registry_hosts;
  std::string parent;  // Digest of the layer below; empty: it stands on nothing (a base image).
  // Of a build, else empty: which manager made it, what for, and what that took.
  std::string manager;
  std::string cache_key;
  std::vector<std::string> other_hosts;  // Reached by the build, and no registries.
  absl::Duration build_duration;
  int64_t size_bytes = 0;
};

// A finished build, to be made a layer. Nothing runs in it or writes to it any more.
struct LayerDraft {
  std::string volume_dir;  // With upper/ and work/; of no use afterwards.
  Layer layer;             // Without digest, root_dir and size_bytes.
  std::vector<std::string> specs;
  std::function<bool()> cancelled = nullptr;  // Asked now and then.
};

// Layers present on this node. Thread-safe. Contract tests: layer_store_contract.
class LayerStore {
 public:
  virtual ~LayerStore() = default;
  // NOT_FOUND when the node lacks it.
  virtual absl::StatusOr<Layer> Get(const std::string& digest) = 0;
  // The layer and all below it, top first; an image's name is the digest of its top layer. Counts
  // as a use of each. NOT_FOUND names the one that the node lacks.
  virtual absl::StatusOr<std::vector<Layer>> Chain(const std::string& digest) = 0;
  // What a build for `cache_key` made here. NOT_FOUND when there was none.
  virtual absl::StatusOr<Layer> FindByKey(const std::string& cache_key) = 0;
  virtual absl::StatusOr<std::vector<Layer>> List() = 0;
  // Reads a root file system tree or tar archive (made by deploy/base-image/build) into the store,
  // atomically (temporary name, fsync, rename); idempotent. Returns the digest.
  virtual absl::StatusOr<std::string> Import(const std::string& archive) = 0;
  // Reads a layer that another node built: `archive` holds its tree, which must have the digest
  // that `layer` says (DATA_LOSS when it hasn't). Atomic and idempotent. NOT_FOUND never: the
  // parent may come later.
  virtual absl::StatusOr<Layer> ImportLayer(const std::string& archive, const Layer& layer) = 0;
  // Makes a layer of the draft: whole and on disk when it returns, or not there at all. The first
  // for a cache key wins; later ones get that one, and their draft stays. Errors: NOT_FOUND when
  // the parent is gone, CANCELLED, RESOURCE_EXHAUSTED for a tree that is too big or a full disk.
  virtual absl::StatusOr<Layer> Commit(const LayerDraft& draft) = 0;
  // Removes layers, least recently used first, until all that are left have at most `budget_bytes`;
  // never one that is in `in_use`, below such a one, below one that stays, or used in the last
  // `grace`. Returns what it removed.
  virtual absl::StatusOr<std::vector<std::string>> Collect(int64_t budget_bytes,
                                                           const std::set<std::string>& in_use,
                                                           absl::Duration grace) = 0;
  // Removes half-made imports and half-removed layers of a crashed agent.
  virtual absl::Status Sweep() = 0;
};

// Pure: digests of those of `layers` below which none is missing, so that they are images.
std::vector<std::string> WholeImages(const std::vector<Layer>& layers);

// Pure: what commands in a sandbox from `chain` (top first) get; of a name set twice the upper one.
std::vector<std::string> MergedEnvironment(const std::vector<Layer>& chain);

}  // namespace paddock::nodeagent
