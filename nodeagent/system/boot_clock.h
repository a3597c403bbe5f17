#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace paddock::nodeagent {

// Time since boot, suspended time included; the same for every process of the machine, so deadlines
// in it can be handed from one process to another.
absl::Duration BootTime();

// Differs after each boot (/proc/sys/kernel/random/boot_id).
absl::StatusOr<std::string> BootId();

}  // namespace paddock::nodeagent
