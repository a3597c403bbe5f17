#include "nodeagent/image/directory_layer_store.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/log.h"
#include "common/status_macros.h"
#include "nodeagent/image/layer_manifest.h"
#include "nodeagent/image/registry_hosts.h"
#include "nodeagent/system/errno_status.h"
#include "nodeagent/system/file.h"
#include "nodeagent/system/subprocess.h"
#include "nodeagent/system/tree_digest.h"

namespace paddock::nodeagent {
namespace {

constexpr absl::string_view kImportPrefix = ".import-";
constexpr absl::string_view kDigestPrefix = "sha256:";
constexpr absl::Duration kUnpackTimeout = absl::Minutes(10);

// What `archive`.sha256 says; empty without one.
std::string StatedDigest(const std::string& archive) {
  const absl::StatusOr<std::string> text = ReadFile(absl::StrCat(archive, ".sha256"), 4096);
  if (!text.ok()) return "";
  const std::string digest =
      absl::StrCat(kDigestPrefix, text->substr(0, text->find_first_of(" \t\n")));
  return IsDigest(digest) ? digest : "";
}

// A file of a root file system that nobody vouches for: not through links, empty when there is
// none.
std::string ReadFileOfTree(const std::string& rootfs, absl::string_view file) {
  std::string path = rootfs;
  struct stat stats;
  for (absl::string_view part : absl::StrSplit(file, '/')) {
    absl::StrAppend(&path, "/", part);
    if (lstat(path.c_str(), &stats) != 0 || S_ISLNK(stats.st_mode)) return "";
  }
  if (!S_ISREG(stats.st_mode)) return "";
  const absl::StatusOr<std::string> text = ReadFile(path, 64 * 1024);
  return text.ok() ? *text : "";
}

}  // namespace

std::vector<std::string> ParseEnvironmentFile(const std::string& text) {
  std::vector<std::string> environment;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    line = absl::StripAsciiWhitespace(line);
    absl::ConsumePrefix(&line, "export ");
    const size_t equals = line.find('=');
    if (equals == absl::string_view::npos || equals == 0 || line[0] == '#') continue;
    absl::string_view value = line.substr(equals + 1);
    if (value.size() >= 2 && value.front() == value.back() &&
        (value.front() == '"' || value.front() == '\'')) {
      value = value.substr(1, value.size() - 2);
    }
    environment.push_back(absl::StrCat(line.substr(0, equals + 1), value));
  }
  return environment;
}

DirectoryLayerStore::DirectoryLayerStore(std::string layers_dir, Clock* clock)
    : layers_dir_(std::move(layers_dir)), clock_(clock) {}

std::string DirectoryLayerStore::DirectoryOf(const std::string& digest) const {
  return absl::StrCat(layers_dir_, "/", digest);
}

absl::StatusOr<DirectoryLayerStore::Known*> DirectoryLayerStore::Find(const std::string& digest) {
  if (!IsDigest(digest)) return absl::NotFoundError(absl::StrCat("no layer ", digest));
  if (const auto known = known_.find(digest); known != known_.end()) return &known->second;
  const std::string file = absl::StrCat(DirectoryOf(digest), "/manifest.json");
  const absl::StatusOr<std::string> text = ReadFile(file);
  if (absl::IsNotFound(text.status())) {
    return absl::NotFoundError(absl::StrCat("no layer ", digest, " on this node"));
  }
  PADDOCK_RETURN_IF_ERROR(text.status());
  absl::StatusOr<Layer> layer = DecodeLayerManifest(*text);
  if (!layer.ok() || layer->digest != digest) {
    return absl::DataLossError(absl::StrCat("layer ", digest, ": bad manifest"));
  }
  struct stat stats;
  if (stat(file.c_str(), &stats) != 0) return ErrnoStatus(absl::StrCat("stat ", file));
  layer->root_dir = absl::StrCat(DirectoryOf(digest), "/rootfs");
  Known& known = known_[digest];
  known = Known{*std::move(layer), absl::TimeFromTimespec(stats.st_mtim)};
  return &known;
}

absl::StatusOr<Layer> DirectoryLayerStore::Get(const std::string& digest) {
  absl::MutexLock lock(&mutex_);
  PADDOCK_ASSIGN_OR_RETURN(const Known* known, Find(digest));
  return known->layer;
}

absl::Status DirectoryLayerStore::LoadAll() {
  PADDOCK_ASSIGN_OR_RETURN(std::vector<std::string> names, ListDirectory(layers_dir_));
  for (const std::string& name : names) {
    if (IsDigest(name)) PADDOCK_RETURN_IF_ERROR(Find(name).status());
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Layer>> DirectoryLayerStore::List() {
  absl::MutexLock lock(&mutex_);
  PADDOCK_RETURN_IF_ERROR(LoadAll());
  std::vector<Layer> layers;
  layers.reserve(known_.size());
  for (const auto& [digest, known] : known_) layers.push_back(known.layer);
  return layers;
}

absl::StatusOr<std::string> DirectoryLayerStore::Import(const std::string& archive) {
  const std::string stated = StatedDigest(archive);
  if (!stated.empty() && Get(stated).ok()) return stated;
  PADDOCK_ASSIGN_OR_RETURN(const std::string digest, DigestFile(archive));
  if (!stated.empty() && stated != digest) {
    return absl::FailedPreconditionError(
        absl::StrCat(archive, " is ", digest, ", but its .sha256 says ", stated));
  }
  if (Get(digest).ok()) return digest;
  PADDOCK_RETURN_IF_ERROR(Unpack(archive, digest));
  return digest;
}

absl::Status DirectoryLayerStore::Unpack(const std::string& archive, const std::string& digest) {
  std::string directory = absl::StrCat(layers_dir_, "/", kImportPrefix, "XXXXXX");
  if (mkdtemp(directory.data()) == nullptr) return ErrnoStatus(absl::StrCat("mkdtemp ", directory));
  const std::string rootfs = absl::StrCat(directory, "/rootfs");
  SubprocessOptions options;
  options.timeout = kUnpackTimeout;
  absl::Status status = MakeDirectories(rootfs, 0755);
  if (status.ok()) {
    status = RunChecked({{"tar", "--extract", "--file", archive, "--directory", rootfs, "--xattrs",
                          "--xattrs-include=*", "--acls", "--numeric-owner", "--same-owner",
                          "--preserve-permissions"}},
                        options)
                 .status();
  }
  if (status.ok()) {
    Layer layer;
    layer.digest = digest;
    layer.environment = ParseEnvironmentFile(ReadFileOfTree(rootfs, "etc/environment"));
    layer.registry_hosts = ParseRegistries(ReadFileOfTree(rootfs, kRegistriesFile));
    struct stat stats;
    if (stat(archive.c_str(), &stats) == 0) layer.size_bytes = stats.st_size;
    status =
        WriteFile(absl::StrCat(directory, "/manifest.json"), EncodeLayerManifest(layer, {}), 0644);
  }
  if (status.ok() && chmod(directory.c_str(), 0755) != 0) status = ErrnoStatus("chmod");
  if (status.ok()) status = SyncFileSystem(layers_dir_);
  const std::string final_name = DirectoryOf(digest);
  if (status.ok() && rename(directory.c_str(), final_name.c_str()) != 0) {
    // Another import of the same archive was first.
    status = Get(digest).ok() ? absl::AlreadyExistsError(digest) : ErrnoStatus("rename");
  }
  if (status.ok()) return SyncDirectory(layers_dir_);
  RemoveTree(directory).IgnoreError();
  return absl::IsAlreadyExists(status) ? absl::OkStatus() : status;
}

}  // namespace paddock::nodeagent
