#pragma once

#include <map>
#include <string>

#include "absl/time/time.h"

namespace paddock::bench {

// CPU time and memory of the whole machine, so that nothing that a cycle causes (database, kernel
// threads, short-lived processes) escapes the count.
class MachineMeter {
 public:
  // Starts measuring.
  MachineMeter();

  // CPU time of the machine since the start, without this process's own and without what the
  // machine spent idling by (`idle_rate`, CPU seconds per second) anyway.
  absl::Duration CpuUsed(double idle_rate) const;

  // CPU seconds per second that the machine spends when nobody asks for anything, watched for
  // `how_long`.
  static double IdleRate(absl::Duration how_long);

  // CPU time so far of Paddock's own processes, of the children that they have waited for, of the
  // database and of kernel threads, by name.
  static std::map<std::string, absl::Duration> ByProcess();

  // CPU time so far of one process, without its children; zero when there is none.
  static absl::Duration OfProcess(int pid);

  // CPU time so far of a process, of the children that it has waited for, and of those that live.
  static absl::Duration OfTree(int pid);

  // Memory of a process and its children, in bytes; what they share counts once (PSS).
  static int64_t MemoryOfTree(int pid);

  // MemAvailable, in bytes.
  static int64_t AvailableMemory();

 private:
  absl::Time start_;
  absl::Duration machine_;
  absl::Duration self_;
};

}  // namespace paddock::bench
