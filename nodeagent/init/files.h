#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nodeagent/init/init_client.h"

// The agent's side of the file commands that run inside a sandbox (file_protocol.h), so that paths
// and links resolve there and the sandbox's limits apply. Pure: it builds commands and reads their
// answers, which are hostile input.
namespace paddock::nodeagent {

// Writes the bytes of a regular file to standard output, from `offset` on, at most `limit` (0: to
// its end). Relative paths begin at /workspace. INVALID_ARGUMENT.
absl::StatusOr<ExecSpec> ReadFileCommand(const std::string& path, int64_t offset, int64_t limit);

// Makes a file of what comes on standard input: any number of WriteFrame(n) each followed by n
// bytes, then WriteEnd. Without the end nothing appears. `mode`: permission bits; 0 keeps those of
// a file that is there, 0644 for a new one. INVALID_ARGUMENT.
absl::StatusOr<ExecSpec> WriteFileCommand(const std::string& path, uint32_t mode);

// Before the `size` bytes of one frame, which is 1 to kMaxWriteFrame.
inline constexpr size_t kMaxWriteFrame = 16 * 1024 * 1024;
std::string WriteFrame(size_t size);
// After the last frame; `total` is the file's size.
std::string WriteEnd(uint64_t total);

// Writes the entries of a directory to standard output, for ListParser. INVALID_ARGUMENT.
absl::StatusOr<ExecSpec> ListDirectoryCommand(const std::string& path);

// At most so many bytes of a file command's standard error are worth keeping.
inline constexpr size_t kMaxFileErrorBytes = 64;

// What the end of a file command means; OK when it succeeded. NOT_FOUND, FAILED_PRECONDITION (not a
// regular file, not a directory, read-only, busy), PERMISSION_DENIED, RESOURCE_EXHAUSTED (disk or
// memory of the sandbox full), INVALID_ARGUMENT (name too long, too many links), CANCELLED (the
// input ended early, or nobody reads the output), UNAVAILABLE (killed), DATA_LOSS (input/output
// error), INTERNAL. Messages name `path`.
absl::Status FileCommandStatus(const ExecExit& exit, absl::string_view standard_error,
                               absl::string_view path);

}  // namespace paddock::nodeagent
