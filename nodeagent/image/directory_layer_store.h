#pragma once

#include <string>
#include <vector>

#include "nodeagent/image/layer_store.h"

namespace paddock::nodeagent {

// Layers as directories: <layers>/<digest>/{rootfs/,manifest.json}. A directory of such a name is
// always whole: an import works in <layers>/.import-… and renames. Thread-safe.
class DirectoryLayerStore : public LayerStore {
 public:
  explicit DirectoryLayerStore(std::string layers_dir);

  absl::StatusOr<Layer> Get(const std::string& digest) override;
  absl::StatusOr<std::vector<Layer>> List() override;
  // The digest is the SHA-256 of the archive. Where `archive`.sha256 says it, a layer that is
  // present needs no reading of the archive; FAILED_PRECONDITION when an imported archive isn't
  // what that file says.
  absl::StatusOr<std::string> Import(const std::string& archive) override;
  absl::Status Sweep() override;

 private:
  absl::Status Unpack(const std::string& archive, const std::string& digest);

  const std::string layers_dir_;
};

// Pure: the KEY=value lines of an /etc/environment; what isn't one is left out, quotes are removed.
std::vector<std::string> ParseEnvironmentFile(const std::string& text);

}  // namespace paddock::nodeagent
