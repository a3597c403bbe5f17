#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace paddock::nodeagent {

// A read-only layer on this node. Layers are named by content digest ("sha256:…") and never change.
struct Layer {
  std::string digest;
  std::string root_dir;  // <volumes>/layers/<digest>/rootfs
  std::vector<std::string>
      environment;  // KEY=value that sandboxes from it get (PATH and such), from its manifest.
  // Hosts that the layer's own package managers fetch from (registry_hosts.h), from its manifest.
  std::vector<std::string> registry_hosts;
};

// Layers present on this node. Thread-safe.
class LayerStore {
 public:
  virtual ~LayerStore() = default;
  // NOT_FOUND when the node lacks it.
  virtual absl::StatusOr<Layer> Get(const std::string& digest) = 0;
  virtual absl::StatusOr<std::vector<Layer>> List() = 0;
  // Reads a root file system tree or tar archive (made by deploy/base-image/build) into the store,
  // atomically (temporary name, fsync, rename); idempotent. Returns the digest.
  virtual absl::StatusOr<std::string> Import(const std::string& archive) = 0;
  // Removes half-made imports of a crashed agent.
  virtual absl::Status Sweep() = 0;
};

}  // namespace paddock::nodeagent
