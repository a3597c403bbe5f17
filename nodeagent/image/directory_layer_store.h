#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/clock.h"
#include "nodeagent/image/layer_store.h"

namespace paddock::nodeagent {

// Layers as directories: <layers>/<digest>/{rootfs/,manifest.json}. A directory of such a name is
// always whole: what is made is made elsewhere and renamed, what is removed is renamed first. The
// manifest's time of modification is that of the layer's last use, give or take some minutes.
// Thread-safe.
class DirectoryLayerStore : public LayerStore {
 public:
  explicit DirectoryLayerStore(std::string layers_dir, Clock* clock = Clock::Real());

  absl::StatusOr<Layer> Get(const std::string& digest) override;
  absl::StatusOr<std::vector<Layer>> Chain(const std::string& digest) override;
  absl::StatusOr<Layer> FindByKey(const std::string& cache_key) override;
  absl::StatusOr<std::vector<Layer>> List() override;
  // The digest is the SHA-256 of the archive. Where `archive`.sha256 says it, a layer that is
  // present needs no reading of the archive; FAILED_PRECONDITION when an imported archive isn't
  // what that file says.
  absl::StatusOr<std::string> Import(const std::string& archive) override;
  absl::StatusOr<Layer> ImportLayer(const std::string& archive, const Layer& layer) override;
  // Copied, by reference where the file system can: all layers have to lie in one subvolume (see
  // store_factory.cc). The digest is that of the tree (system/tree_digest.h), the parent's digest
  // and the environment being its seed.
  absl::StatusOr<Layer> Commit(const LayerDraft& draft) override;
  absl::StatusOr<std::vector<std::string>> Collect(int64_t budget_bytes,
                                                   const std::set<std::string>& in_use,
                                                   absl::Duration grace) override;
  absl::Status Sweep() override;

 private:
  struct Known {
    Layer layer;
    absl::Time last_used;
  };

  std::string DirectoryOf(const std::string& digest) const;
  absl::Status Unpack(const std::string& archive, const std::string& digest);
  // From memory, else from disk.
  absl::StatusOr<Known*> Find(const std::string& digest) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status LoadAll() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Touch(Known* known) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Layers that must stay whatever the budget.
  std::set<std::string> Kept(const std::set<std::string>& in_use, absl::Duration grace)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Takes it out of sight; the name under which it is to be destroyed.
  absl::StatusOr<std::string> Hide(const std::string& digest) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // A directory or subvolume of this store's directory.
  absl::Status Destroy(const std::string& name);
  // Into `directory`, with its manifest, checked and on disk.
  absl::Status UnpackLayer(const std::string& archive, const Layer& layer,
                           const std::string& directory);
  absl::Status CopyIn(const std::string& from, const std::string& digest);

  const std::string layers_dir_;
  Clock* const clock_;
  absl::Mutex mutex_;
  std::map<std::string, Known> known_ ABSL_GUARDED_BY(mutex_);
};

// Pure: the KEY=value lines of an /etc/environment; what isn't one is left out, quotes are removed.
std::vector<std::string> ParseEnvironmentFile(const std::string& text);

}  // namespace paddock::nodeagent
