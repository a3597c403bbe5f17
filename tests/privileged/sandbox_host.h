#pragma once

#include <memory>
#include <string>
#include <vector>

#include "nodeagent/net/namespace_pool.h"
#include "nodeagent/runtime/runtime_factory.h"
#include "tests/privileged/test_sandbox.h"

namespace paddock::nodeagent {

// Runs real containers in namespace pairs of the caller's. Not thread-safe. Failures fail the test.
class SandboxHost {
 public:
  enum class Root {
    kProbe,  // Busybox and the probe, nothing else.
    // The machine's own root file system, read-only below the sandbox's layer, for programs that
    // people run; with the probe in /bin.
    kMachine,
  };
  explicit SandboxHost(Root root);
  // Every sandbox must be gone.
  ~SandboxHost();

  // Starts a sandbox in the pair.
  ContainerSpec Start(const std::string& id, const NamespacePair& pair);
  void Destroy(const ContainerSpec& spec);

 private:
  std::string Volumes() const { return scratch_.path() + "/volumes"; }

  ScratchDirectory scratch_;
  std::vector<std::string> layers_;  // Top first.
  std::unique_ptr<CgroupManager> cgroups_;
  std::unique_ptr<OciRuntimes> runtimes_;
};

}  // namespace paddock::nodeagent
