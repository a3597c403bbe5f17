#pragma once

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace paddock::testing {

// Whether `condition` comes true within `limit`. What it reads is somebody else's, over the
// network, so there is nothing to wait on but time.
template <typename Condition>
bool Eventually(Condition condition, absl::Duration limit = absl::Seconds(30)) {
  const absl::Time give_up = absl::Now() + limit;
  while (!condition()) {
    if (absl::Now() > give_up) return false;
    absl::SleepFor(absl::Milliseconds(2));
  }
  return true;
}

}  // namespace paddock::testing
