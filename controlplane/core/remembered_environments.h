#pragma once

#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "controlplane/core/resources.h"

namespace paddock {

// Environments as creates have last read them, to spare the next create the reading: the
// transaction that stores a session refuses it when the environment has another revision by then.
// So what is remembered may be outdated, and nothing may be refused because of it. Thread-safe.
class RememberedEnvironments {
 public:
  static constexpr size_t kMost = 1000;

  // Null when it isn't remembered, or is another tenant's.
  std::shared_ptr<const Environment> Find(const Tenant& tenant, const EnvironmentId& id) const;
  void Remember(Environment environment);

 private:
  mutable absl::Mutex mutex_;
  absl::flat_hash_map<EnvironmentId, std::shared_ptr<const Environment>> environments_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace paddock
