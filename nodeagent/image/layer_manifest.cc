#include "nodeagent/image/layer_manifest.h"

#include <utility>

#include "absl/strings/strip.h"
#include "nlohmann/json.hpp"

namespace paddock::nodeagent {
namespace {

using Json = nlohmann::json;

constexpr absl::string_view kDigestPrefix = "sha256:";

std::string StringOf(const Json& manifest, const char* field) {
  const auto value = manifest.find(field);
  return value != manifest.end() && value->is_string() ? value->get<std::string>() : "";
}

int64_t NumberOf(const Json& manifest, const char* field) {
  const auto value = manifest.find(field);
  return value != manifest.end() && value->is_number_integer() ? value->get<int64_t>() : 0;
}

std::vector<std::string> StringsOf(const Json& manifest, const char* field) {
  std::vector<std::string> strings;
  const auto list = manifest.find(field);
  if (list == manifest.end() || !list->is_array()) return strings;
  for (const Json& entry : *list) {
    if (entry.is_string()) strings.push_back(entry.get<std::string>());
  }
  return strings;
}

}  // namespace

bool IsDigest(absl::string_view digest) {
  if (!absl::ConsumePrefix(&digest, kDigestPrefix)) return false;
  return digest.size() == 64 &&
         digest.find_first_not_of("0123456789abcdef") == absl::string_view::npos;
}

std::string EncodeLayerManifest(const Layer& layer, const std::vector<std::string>& specs) {
  Json manifest = {{"digest", layer.digest},
                   {"environment", layer.environment},
                   {"registry_hosts", layer.registry_hosts},
                   {"size_bytes", layer.size_bytes}};
  if (!layer.parent.empty()) manifest["parent"] = layer.parent;
  if (!layer.manager.empty()) {
    manifest["manager"] = layer.manager;
    manifest["cache_key"] = layer.cache_key;
    manifest["specs"] = specs;
    manifest["other_hosts"] = layer.other_hosts;
    manifest["build_micros"] = absl::ToInt64Microseconds(layer.build_duration);
  }
  return manifest.dump(2, ' ', false, Json::error_handler_t::replace);
}

absl::StatusOr<Layer> DecodeLayerManifest(absl::string_view text) {
  const Json manifest = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!manifest.is_object()) return absl::DataLossError("not a JSON object");
  Layer layer;
  layer.digest = StringOf(manifest, "digest");
  if (!IsDigest(layer.digest)) return absl::DataLossError("no digest");
  layer.environment = StringsOf(manifest, "environment");
  layer.registry_hosts = StringsOf(manifest, "registry_hosts");
  layer.parent = StringOf(manifest, "parent");
  if (!layer.parent.empty() && !IsDigest(layer.parent)) return absl::DataLossError("bad parent");
  layer.manager = StringOf(manifest, "manager");
  layer.cache_key = StringOf(manifest, "cache_key");
  layer.other_hosts = StringsOf(manifest, "other_hosts");
  layer.build_duration = absl::Microseconds(NumberOf(manifest, "build_micros"));
  layer.size_bytes = NumberOf(manifest, "size_bytes");
  return layer;
}

}  // namespace paddock::nodeagent
