#include "common/mutex_mode.h"

#include "absl/synchronization/mutex.h"

namespace paddock {

void UseMutexesOfProduction() {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
}

}  // namespace paddock
