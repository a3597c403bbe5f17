#pragma once

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "nodeagent/net/pair_protocol.h"
#include "nodeagent/system/spawn.h"
#include "nodeagent/system/unique_fd.h"

namespace paddock::nodeagent {

// The pool's side of the pair maker process: starts it, and starts it again when it is gone. One
// request at a time: the kernel's locks allow little more. Thread-safe.
class PairMakerClient {
 public:
  PairMakerClient(std::string binary, std::string router_netns, std::string gateway)
      : binary_(std::move(binary)),
        router_netns_(std::move(router_netns)),
        gateway_(std::move(gateway)) {}
  // Ends the process.
  ~PairMakerClient();

  // Tried twice if the process dies in between; what an attempt left behind dies with it.
  absl::StatusOr<PairFds> Call(const PairRequest& request);

 private:
  absl::StatusOr<PairFds> CallOnce(const PairRequest& request)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status StartProcess() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void EndProcess() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string binary_;
  const std::string router_netns_;
  const std::string gateway_;
  absl::Mutex mutex_;
  UniqueFd socket_ ABSL_GUARDED_BY(mutex_);
  SpawnedProcess process_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace paddock::nodeagent
