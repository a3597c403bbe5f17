#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nodeagent/system/unique_fd.h"

namespace paddock::nodeagent {

// Whole content; RESOURCE_EXHAUSTED when it is longer than `max_bytes`.
absl::StatusOr<std::string> ReadFile(const std::string& path, size_t max_bytes = 16 << 20);

// Replaces `path` so that a crash at any point leaves the old or the new content: temporary file in
// the same directory, fsync, rename, fsync of the directory.
absl::Status WriteFileAtomically(const std::string& path, absl::string_view content,
                                 mode_t mode = 0600);

// Writes without any promise about crashes; creates or truncates.
absl::Status WriteFile(const std::string& path, absl::string_view content, mode_t mode = 0600);

// One write(2) into an existing file (cgroup, procfs, sysfs).
absl::Status WriteControlFile(const std::string& path, absl::string_view value);

// Writes all of `data`, in as many write(2) as it takes.
absl::Status WriteAll(int fd, absl::string_view data);

// mkdir -p; OK if it is there. `mode` goes to what it makes.
absl::Status MakeDirectories(const std::string& path, mode_t mode = 0755);

absl::StatusOr<UniqueFd> OpenDirectory(const std::string& path);
absl::Status SyncDirectory(const std::string& path);
// Writes out everything of the file system that the directory `path` lies on.
absl::Status SyncFileSystem(const std::string& path);

// Removes a tree, never following links nor leaving its file system; OK if it isn't there. Not for
// trees that a sandbox is writing to.
absl::Status RemoveTree(const std::string& path);

// OK if it isn't there.
absl::Status RemoveFile(const std::string& path);

// Names in a directory, sorted, without "." and "..".
absl::StatusOr<std::vector<std::string>> ListDirectory(const std::string& path);

absl::StatusOr<int64_t> FileSize(const std::string& path);
bool PathExists(const std::string& path);

}  // namespace paddock::nodeagent
