#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nodeagent/image/layer_store.h"

namespace paddock::nodeagent {

// Whether `digest` is "sha256:" and 64 lower-case hex digits.
bool IsDigest(absl::string_view digest);

// Pure: a layer's manifest.json, all of it but root_dir. `specs` are for people.
std::string EncodeLayerManifest(const Layer& layer, const std::vector<std::string>& specs);
// DATA_LOSS when it isn't one.
absl::StatusOr<Layer> DecodeLayerManifest(absl::string_view text);

}  // namespace paddock::nodeagent
