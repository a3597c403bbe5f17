#pragma once

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nodeagent/system/spawn.h"

namespace paddock::nodeagent {

struct SubprocessOptions {
  absl::Duration timeout = absl::Seconds(10);
  std::string stdin_data;
  // Of each of standard output and error the last so many bytes are kept.
  size_t max_output = 64 * 1024;
};

struct SubprocessResult {
  int exit_code = -1;  // -1 when a signal ended it.
  int signal = 0;
  std::string stdout_data;
  std::string stderr_data;
  bool ok() const { return exit_code == 0; }
};

// Runs a program to its end. Past the time-out its whole process group is killed and
// DEADLINE_EXCEEDED returned. A program that ends with an error is an OK status with its exit code.
// Returns when the program ends, even if a background process of it still holds its output.
// Thread-safe.
absl::StatusOr<SubprocessResult> RunSubprocess(const SpawnSpec& spec,
                                               const SubprocessOptions& options = {});

// The same, for programs that must succeed: returns standard output, or INTERNAL with the
// program's name, its exit code or signal, and its last lines.
absl::StatusOr<std::string> RunChecked(const SpawnSpec& spec,
                                       const SubprocessOptions& options = {});

// The status that RunChecked gives for a failed `result`.
absl::Status SubprocessError(absl::string_view program, const SubprocessResult& result);

}  // namespace paddock::nodeagent
