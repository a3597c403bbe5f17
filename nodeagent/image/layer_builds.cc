// The part of DirectoryLayerStore that makes layers of builds, and removes layers.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <map>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/log.h"
#include "common/status_macros.h"
#include "nodeagent/image/directory_layer_store.h"
#include "nodeagent/image/layer_manifest.h"
#include "nodeagent/system/btrfs.h"
#include "nodeagent/system/errno_status.h"
#include "nodeagent/system/file.h"
#include "nodeagent/system/subprocess.h"
#include "nodeagent/system/tree_digest.h"

namespace paddock::nodeagent {
namespace {

constexpr absl::string_view kImportPrefix = ".import-";
constexpr absl::string_view kTrashPrefix = ".trash-";
constexpr absl::Duration kCopyTimeout = absl::Minutes(10);
// How old a layer's recorded last use may be.
constexpr absl::Duration kTouchInterval = absl::Minutes(5);

absl::Status Rename(const std::string& from, const std::string& to) {
  if (rename(from.c_str(), to.c_str()) != 0) {
    return ErrnoStatus(absl::StrCat("rename ", from, " to ", to));
  }
  return absl::OkStatus();
}

// What of a layer isn't in its tree, and decides what a sandbox from it is.
std::string SeedOf(const Layer& layer) {
  return absl::StrCat(layer.parent, "\n", absl::StrJoin(layer.environment, "\n"));
}

}  // namespace

std::vector<std::string> MergedEnvironment(const std::vector<Layer>& chain) {
  std::vector<std::pair<std::string, std::string>> merged;
  for (auto layer = chain.rbegin(); layer != chain.rend(); ++layer) {
    for (const std::string& entry : layer->environment) {
      const std::string name = entry.substr(0, entry.find('='));
      const auto there = std::find_if(merged.begin(), merged.end(),
                                      [&name](const auto& known) { return known.first == name; });
      if (there == merged.end()) {
        merged.emplace_back(name, entry);
      } else {
        there->second = entry;
      }
    }
  }
  std::vector<std::string> environment;
  environment.reserve(merged.size());
  for (auto& [name, entry] : merged) environment.push_back(std::move(entry));
  return environment;
}

std::vector<std::string> WholeImages(const std::vector<Layer>& layers) {
  std::map<absl::string_view, absl::string_view> parents;
  for (const Layer& layer : layers) parents[layer.digest] = layer.parent;
  std::vector<std::string> whole;
  for (const Layer& layer : layers) {
    // A digest includes its parent's, so chains have an end.
    absl::string_view next = layer.digest;
    while (!next.empty()) {
      const auto found = parents.find(next);
      if (found == parents.end()) break;
      next = found->second;
    }
    if (next.empty()) whole.push_back(layer.digest);
  }
  return whole;
}

void DirectoryLayerStore::Touch(Known* known) {
  const absl::Time now = clock_->Now();
  if (now - known->last_used > kTouchInterval) {
    const timespec time = absl::ToTimespec(now);
    const timespec times[2] = {time, time};
    const std::string file = absl::StrCat(DirectoryOf(known->layer.digest), "/manifest.json");
    // A use that can't be written down is forgotten with this process, no more.
    (void)utimensat(AT_FDCWD, file.c_str(), times, 0);
  }
  known->last_used = now;
}

absl::StatusOr<std::vector<Layer>> DirectoryLayerStore::Chain(const std::string& digest) {
  absl::MutexLock lock(&mutex_);
  std::vector<Layer> chain;
  // A layer's digest includes its parent's, so chains have an end.
  for (std::string next = digest; !next.empty(); next = chain.back().parent) {
    PADDOCK_ASSIGN_OR_RETURN(Known * known, Find(next));
    Touch(known);
    chain.push_back(known->layer);
  }
  return chain;
}

absl::StatusOr<Layer> DirectoryLayerStore::FindByKey(const std::string& cache_key) {
  absl::MutexLock lock(&mutex_);
  PADDOCK_RETURN_IF_ERROR(LoadAll());
  for (auto& [digest, known] : known_) {
    if (cache_key.empty() || known.layer.cache_key != cache_key) continue;
    Touch(&known);
    return known.layer;
  }
  return absl::NotFoundError("nothing was built here for this cache key");
}

absl::StatusOr<Layer> DirectoryLayerStore::Commit(const LayerDraft& draft) {
  Layer layer = draft.layer;
  if (!layer.cache_key.empty()) {
    absl::StatusOr<Layer> first = FindByKey(layer.cache_key);
    if (first.ok() || !absl::IsNotFound(first.status())) return first;
  }
  PADDOCK_RETURN_IF_ERROR(Chain(layer.parent).status());
  const std::string rootfs = absl::StrCat(draft.volume_dir, "/rootfs");
  PADDOCK_RETURN_IF_ERROR(RemoveTree(absl::StrCat(draft.volume_dir, "/work")));
  PADDOCK_RETURN_IF_ERROR(Rename(absl::StrCat(draft.volume_dir, "/upper"), rootfs));
  TreeDigestOptions options;
  options.seed = SeedOf(layer);
  options.cancelled = draft.cancelled;
  PADDOCK_ASSIGN_OR_RETURN(const TreeDigest tree, DigestTree(rootfs, options));
  layer.digest = tree.digest;
  layer.size_bytes = tree.bytes;
  const std::string manifest = absl::StrCat(draft.volume_dir, "/manifest.json");
  // Its content came out of a sandbox: what is there by this name isn't ours.
  PADDOCK_RETURN_IF_ERROR(RemoveTree(manifest));
  PADDOCK_RETURN_IF_ERROR(WriteFile(manifest, EncodeLayerManifest(layer, draft.specs), 0644));
  if (chmod(draft.volume_dir.c_str(), 0755) != 0) return ErrnoStatus("chmod");
  PADDOCK_RETURN_IF_ERROR(SyncFileSystem(draft.volume_dir));
  if (draft.cancelled != nullptr && draft.cancelled()) return absl::CancelledError("cancelled");
  PADDOCK_RETURN_IF_ERROR(CopyIn(draft.volume_dir, layer.digest));
  absl::MutexLock lock(&mutex_);
  PADDOCK_ASSIGN_OR_RETURN(Known * known, Find(layer.digest));
  Touch(known);
  return known->layer;
}

absl::StatusOr<Layer> DirectoryLayerStore::ImportLayer(const std::string& archive,
                                                       const Layer& layer) {
  if (!IsDigest(layer.digest)) return absl::DataLossError("a layer without a digest");
  if (absl::StatusOr<Layer> there = Get(layer.digest); there.ok()) return there;
  std::string directory = absl::StrCat(layers_dir_, "/", kImportPrefix, "XXXXXX");
  if (mkdtemp(directory.data()) == nullptr) return ErrnoStatus(absl::StrCat("mkdtemp ", directory));
  absl::Status status = UnpackLayer(archive, layer, directory);
  if (status.ok() && rename(directory.c_str(), DirectoryOf(layer.digest).c_str()) != 0 &&
      errno != ENOTEMPTY && errno != EEXIST) {
    status = ErrnoStatus("rename");
  }
  RemoveTree(directory).IgnoreError();  // Nothing when it was renamed.
  PADDOCK_RETURN_IF_ERROR(status);
  PADDOCK_RETURN_IF_ERROR(SyncDirectory(layers_dir_));
  return Get(layer.digest);
}

absl::Status DirectoryLayerStore::UnpackLayer(const std::string& archive, const Layer& layer,
                                              const std::string& directory) {
  const std::string rootfs = absl::StrCat(directory, "/rootfs");
  PADDOCK_RETURN_IF_ERROR(MakeDirectories(rootfs, 0755));
  SpawnSpec unpack;
  unpack.argv = {"tar",
                 "--extract",
                 "--file",
                 archive,
                 "--directory",
                 rootfs,
                 "--xattrs",
                 "--xattrs-include=*",
                 "--acls",
                 "--numeric-owner",
                 "--same-owner",
                 "--preserve-permissions",
                 "--delay-directory-restore"};
  SubprocessOptions options;
  options.timeout = kCopyTimeout;
  PADDOCK_RETURN_IF_ERROR(RunChecked(unpack, options).status());
  TreeDigestOptions digest;
  digest.seed = SeedOf(layer);
  PADDOCK_ASSIGN_OR_RETURN(const TreeDigest tree, DigestTree(rootfs, digest));
  if (tree.digest != layer.digest) {
    return absl::DataLossError(
        absl::StrCat("the tree is ", tree.digest, ", not ", layer.digest, " as it should be"));
  }
  Layer mine = layer;
  mine.size_bytes = tree.bytes;
  PADDOCK_RETURN_IF_ERROR(
      WriteFile(absl::StrCat(directory, "/manifest.json"), EncodeLayerManifest(mine, {}), 0644));
  if (chmod(directory.c_str(), 0755) != 0) return ErrnoStatus("chmod");
  return SyncFileSystem(layers_dir_);
}

absl::Status DirectoryLayerStore::CopyIn(const std::string& from, const std::string& digest) {
  std::string directory = absl::StrCat(layers_dir_, "/", kImportPrefix, "XXXXXX");
  if (mkdtemp(directory.data()) == nullptr) return ErrnoStatus(absl::StrCat("mkdtemp ", directory));
  SubprocessOptions options;
  options.timeout = kCopyTimeout;
  absl::Status status =
      RunChecked({{"cp", "--archive", "--reflink=auto", absl::StrCat(from, "/rootfs"),
                   absl::StrCat(from, "/manifest.json"), directory}},
                 options)
          .status();
  if (status.ok() && chmod(directory.c_str(), 0755) != 0) status = ErrnoStatus("chmod");
  if (status.ok()) status = SyncFileSystem(layers_dir_);
  if (status.ok() && rename(directory.c_str(), DirectoryOf(digest).c_str()) != 0) {
    if (errno != ENOTEMPTY && errno != EEXIST) status = ErrnoStatus("rename");
    RemoveTree(directory).IgnoreError();
  }
  if (status.ok()) return SyncDirectory(layers_dir_);
  RemoveTree(directory).IgnoreError();
  return status;
}

std::set<std::string> DirectoryLayerStore::Kept(const std::set<std::string>& in_use,
                                                absl::Duration grace) {
  const absl::Time now = clock_->Now();
  std::set<std::string> kept;
  for (const auto& [digest, known] : known_) {
    if (in_use.count(digest) == 0 && now - known.last_used >= grace) continue;
    for (std::string next = digest; !next.empty() && kept.insert(next).second;) {
      const auto below = known_.find(next);
      next = below == known_.end() ? "" : below->second.layer.parent;
    }
  }
  return kept;
}

absl::StatusOr<std::vector<std::string>> DirectoryLayerStore::Collect(
    int64_t budget_bytes, const std::set<std::string>& in_use, absl::Duration grace) {
  std::vector<std::string> removed;
  std::vector<std::string> hidden;
  {
    absl::MutexLock lock(&mutex_);
    PADDOCK_RETURN_IF_ERROR(LoadAll());
    int64_t total = 0;
    for (const auto& [digest, known] : known_) total += known.layer.size_bytes;
    const std::set<std::string> kept = Kept(in_use, grace);
    while (total > budget_bytes) {
      std::set<std::string> parents;
      for (const auto& [digest, known] : known_) parents.insert(known.layer.parent);
      const Known* oldest = nullptr;
      for (const auto& [digest, known] : known_) {
        if (kept.count(digest) > 0 || parents.count(digest) > 0) continue;
        if (oldest == nullptr || known.last_used < oldest->last_used) oldest = &known;
      }
      if (oldest == nullptr) break;
      const std::string digest = oldest->layer.digest;
      total -= oldest->layer.size_bytes;
      PADDOCK_ASSIGN_OR_RETURN(std::string name, Hide(digest));
      hidden.push_back(std::move(name));
      removed.push_back(digest);
    }
  }
  for (const std::string& name : hidden) PADDOCK_RETURN_IF_ERROR(Destroy(name));
  return removed;
}

absl::StatusOr<std::string> DirectoryLayerStore::Hide(const std::string& digest) {
  const std::string name = absl::StrCat(kTrashPrefix, digest);
  PADDOCK_RETURN_IF_ERROR(Rename(DirectoryOf(digest), absl::StrCat(layers_dir_, "/", name)));
  known_.erase(digest);
  return name;
}

absl::Status DirectoryLayerStore::Destroy(const std::string& name) {
  if (IsBtrfs(layers_dir_) && DestroySubvolume(layers_dir_, name).ok()) return absl::OkStatus();
  return RemoveTree(absl::StrCat(layers_dir_, "/", name));
}

absl::Status DirectoryLayerStore::Sweep() {
  PADDOCK_ASSIGN_OR_RETURN(std::vector<std::string> names, ListDirectory(layers_dir_));
  for (const std::string& name : names) {
    if (absl::StartsWith(name, kImportPrefix) || absl::StartsWith(name, kTrashPrefix)) {
      PADDOCK_RETURN_IF_ERROR(Destroy(name));
    }
  }
  return absl::OkStatus();
}

}  // namespace paddock::nodeagent
