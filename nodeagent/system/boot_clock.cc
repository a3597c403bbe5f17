#include "nodeagent/system/boot_clock.h"

#include <time.h>

#include "absl/strings/strip.h"
#include "nodeagent/system/file.h"

namespace paddock::nodeagent {

absl::Duration BootTime() {
  timespec now = {};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return absl::DurationFromTimespec(now);
}

absl::StatusOr<std::string> BootId() {
  absl::StatusOr<std::string> text = ReadFile("/proc/sys/kernel/random/boot_id", 128);
  if (!text.ok()) return text.status();
  return std::string(absl::StripAsciiWhitespace(*text));
}

}  // namespace paddock::nodeagent
