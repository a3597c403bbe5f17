#include "nodeagent/image/layer_registry.h"

#include <stdlib.h>

#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/status_macros.h"
#include "nlohmann/json.hpp"
#include "nodeagent/image/image_facts.h"
#include "nodeagent/image/layer_manifest.h"
#include "nodeagent/system/errno_status.h"
#include "nodeagent/system/file.h"
#include "nodeagent/system/subprocess.h"
#include "nodeagent/system/tree_digest.h"

namespace paddock::nodeagent {
namespace {

using Json = nlohmann::json;

constexpr char kScratchPrefix[] = "registry-";
constexpr char kLabel[] = "dev.paddock.layer";
constexpr char kManifestType[] = "application/vnd.oci.image.manifest.v1+json";
constexpr char kConfigType[] = "application/vnd.oci.image.config.v1+json";
constexpr char kLayerType[] = "application/vnd.oci.image.layer.v1.tar";
constexpr size_t kMaxDocument = 4 << 20;

std::string HexOf(absl::string_view digest) {
  absl::ConsumePrefix(&digest, "sha256:");
  return std::string(digest);
}

// Moves `file` to where an OCI layout has the blob; its descriptor.
absl::StatusOr<Json> AddBlob(const std::string& layout, const std::string& file,
                             const char* media_type, int64_t size) {
  PADDOCK_ASSIGN_OR_RETURN(const std::string digest, DigestFile(file));
  const std::string blob = absl::StrCat(layout, "/blobs/sha256/", HexOf(digest));
  if (rename(file.c_str(), blob.c_str()) != 0) return ErrnoStatus(absl::StrCat("rename ", file));
  return Json{{"mediaType", media_type}, {"digest", digest}, {"size", size}};
}

absl::StatusOr<Json> AddDocument(const std::string& layout, const Json& document,
                                 const char* media_type) {
  const std::string text = document.dump();
  const std::string file = absl::StrCat(layout, "/document");
  PADDOCK_RETURN_IF_ERROR(WriteFile(file, text, 0644));
  return AddBlob(layout, file, media_type, static_cast<int64_t>(text.size()));
}

absl::StatusOr<Json> ReadDocument(const std::string& file) {
  PADDOCK_ASSIGN_OR_RETURN(const std::string text, ReadFile(file, kMaxDocument));
  Json document = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!document.is_object()) return absl::DataLossError(absl::StrCat(file, ": no JSON object"));
  return document;
}

// The file of the blob that `descriptor` names.
absl::StatusOr<std::string> BlobFile(const std::string& layout, const Json& descriptor) {
  const auto digest = descriptor.is_object() ? descriptor.find("digest") : descriptor.end();
  if (!descriptor.is_object() || digest == descriptor.end() || !digest->is_string() ||
      !IsDigest(digest->get<std::string>())) {
    return absl::DataLossError("the registry sent an image without digests");
  }
  return absl::StrCat(layout, "/blobs/sha256/", HexOf(digest->get<std::string>()));
}

Json MemberOf(const Json& object, const char* name) {
  return object.is_object() ? object.value(name, Json()) : Json();
}

Json FirstOf(const Json& list) { return list.is_array() && !list.empty() ? list[0] : Json(); }

}  // namespace

std::string LayerRegistry::Reference(const std::string& digest) const {
  return absl::StrCat("docker://", options_.repository, ":", HexOf(digest));
}

absl::Status LayerRegistry::Skopeo(std::vector<std::string> arguments) const {
  SpawnSpec spec;
  spec.argv = std::move(arguments);
  spec.argv.insert(spec.argv.begin(), "skopeo");
  spec.env.push_back(absl::StrCat("TMPDIR=", options_.scratch_dir));
  spec.env.emplace_back("HOME=/root");
  SubprocessOptions options;
  options.timeout = options_.timeout;
  absl::Status status = RunChecked(spec, options).status();
  const absl::string_view message = status.message();
  if (absl::StrContains(message, "manifest unknown") ||
      absl::StrContains(message, "name unknown")) {
    return absl::NotFoundError("the registry has no such layer");
  }
  return status;
}

absl::StatusOr<std::string> LayerRegistry::MakeScratch() const {
  PADDOCK_RETURN_IF_ERROR(MakeDirectories(options_.scratch_dir, 0700));
  std::string directory = absl::StrCat(options_.scratch_dir, "/", kScratchPrefix, "XXXXXX");
  if (mkdtemp(directory.data()) == nullptr) return ErrnoStatus(absl::StrCat("mkdtemp ", directory));
  return directory;
}

absl::Status LayerRegistry::WriteImage(const Layer& layer, const std::string& layout) const {
  PADDOCK_RETURN_IF_ERROR(MakeDirectories(absl::StrCat(layout, "/blobs/sha256")));
  const std::string tar = absl::StrCat(layout, "/layer.tar");
  SpawnSpec pack;
  pack.argv = {"tar",
               "--create",
               "--file",
               tar,
               "--directory",
               layer.root_dir,
               "--sort=name",
               "--numeric-owner",
               "--format=posix",
               "--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime",
               "--xattrs",
               "--xattrs-include=*",
               "--acls",
               "."};
  SubprocessOptions options;
  options.timeout = options_.timeout;
  PADDOCK_RETURN_IF_ERROR(RunChecked(pack, options).status());
  PADDOCK_ASSIGN_OR_RETURN(const int64_t size, FileSize(tar));
  PADDOCK_ASSIGN_OR_RETURN(const Json blob, AddBlob(layout, tar, kLayerType, size));
  const std::string platform = Platform();
  const Json config = {{"os", "linux"},
                       {"architecture", platform.substr(platform.find('/') + 1)},
                       {"config", {{"Labels", {{kLabel, EncodeLayerManifest(layer, {})}}}}},
                       {"rootfs", {{"type", "layers"}, {"diff_ids", {blob["digest"]}}}}};
  PADDOCK_ASSIGN_OR_RETURN(const Json config_blob, AddDocument(layout, config, kConfigType));
  const Json manifest = {{"schemaVersion", 2},
                         {"mediaType", kManifestType},
                         {"config", config_blob},
                         {"layers", Json::array({blob})}};
  PADDOCK_ASSIGN_OR_RETURN(Json entry, AddDocument(layout, manifest, kManifestType));
  entry["annotations"] = {{"org.opencontainers.image.ref.name", "layer"}};
  const Json index = {{"schemaVersion", 2}, {"manifests", Json::array({entry})}};
  PADDOCK_RETURN_IF_ERROR(WriteFile(absl::StrCat(layout, "/index.json"), index.dump(), 0644));
  return WriteFile(absl::StrCat(layout, "/oci-layout"), R"({"imageLayoutVersion":"1.0.0"})", 0644);
}

absl::Status LayerRegistry::Push(const Layer& layer) {
  if (layer.parent.empty()) return absl::OkStatus();
  PADDOCK_ASSIGN_OR_RETURN(const std::string layout, MakeScratch());
  const auto remove = absl::MakeCleanup([&layout] { RemoveTree(layout).IgnoreError(); });
  PADDOCK_RETURN_IF_ERROR(WriteImage(layer, layout));
  std::vector<std::string> arguments = {"copy", "--quiet"};
  arguments.insert(arguments.end(), options_.flags.begin(), options_.flags.end());
  arguments.push_back(absl::StrCat("oci:", layout, ":layer"));
  arguments.push_back(Reference(layer.digest));
  return Skopeo(std::move(arguments));
}

absl::StatusOr<Layer> LayerRegistry::Pull(const std::string& digest, LayerStore* store) {
  if (!IsDigest(digest)) return absl::NotFoundError(absl::StrCat("no layer ", digest));
  PADDOCK_ASSIGN_OR_RETURN(const std::string layout, MakeScratch());
  const auto remove = absl::MakeCleanup([&layout] { RemoveTree(layout).IgnoreError(); });
  std::vector<std::string> arguments = {"copy", "--quiet"};
  arguments.insert(arguments.end(), options_.flags.begin(), options_.flags.end());
  arguments.push_back(Reference(digest));
  arguments.push_back(absl::StrCat("oci:", layout, ":layer"));
  PADDOCK_RETURN_IF_ERROR(Skopeo(std::move(arguments)));
  PADDOCK_ASSIGN_OR_RETURN(const Json index, ReadDocument(absl::StrCat(layout, "/index.json")));
  PADDOCK_ASSIGN_OR_RETURN(const std::string manifest_file,
                           BlobFile(layout, FirstOf(MemberOf(index, "manifests"))));
  PADDOCK_ASSIGN_OR_RETURN(const Json manifest, ReadDocument(manifest_file));
  PADDOCK_ASSIGN_OR_RETURN(const std::string config_file,
                           BlobFile(layout, MemberOf(manifest, "config")));
  PADDOCK_ASSIGN_OR_RETURN(const Json config, ReadDocument(config_file));
  const Json label = MemberOf(MemberOf(MemberOf(config, "config"), "Labels"), kLabel);
  if (!label.is_string()) return absl::DataLossError("the registry's image is no layer of ours");
  PADDOCK_ASSIGN_OR_RETURN(const Layer layer, DecodeLayerManifest(label.get<std::string>()));
  if (layer.digest != digest) return absl::DataLossError("the registry sent another layer");
  PADDOCK_ASSIGN_OR_RETURN(const std::string archive,
                           BlobFile(layout, FirstOf(MemberOf(manifest, "layers"))));
  return store->ImportLayer(archive, layer);
}

absl::Status LayerRegistry::Sweep() {
  if (!PathExists(options_.scratch_dir)) return absl::OkStatus();
  PADDOCK_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                           ListDirectory(options_.scratch_dir));
  for (const std::string& name : names) {
    PADDOCK_RETURN_IF_ERROR(RemoveTree(absl::StrCat(options_.scratch_dir, "/", name)));
  }
  return absl::OkStatus();
}

}  // namespace paddock::nodeagent
