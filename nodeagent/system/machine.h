#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nodeagent/system/unique_fd.h"

namespace paddock::nodeagent {

// Cores that this process may use, in thousandths.
int64_t MachineCpuMillis();
// 0 if it can't be told.
int64_t MachineMemoryBytes();
// How many processes the kernel numbers at most; 32,768 if it can't be told.
int64_t MachinePidMax();
std::string KernelRelease();

// Bytes that root can still write to the file system of `path`.
absl::StatusOr<int64_t> FreeBytes(const std::string& path);

// An exclusive lock that ends with the returned descriptor (or the process). FAILED_PRECONDITION
// when another process has it.
absl::StatusOr<UniqueFd> LockFile(const std::string& path);

}  // namespace paddock::nodeagent
