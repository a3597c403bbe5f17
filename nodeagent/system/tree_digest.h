#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/statusor.h"

namespace paddock::nodeagent {

struct TreeDigestOptions {
  // Goes in first: two equal trees on different layers are different layers.
  std::string seed;
  // Of all regular files as they present themselves; a sparse one costs time, not disk.
  int64_t max_bytes = int64_t{64} << 30;
  int64_t max_entries = 4'000'000;
  int max_depth = 256;
  // Asked now and then; true ends the walk with CANCELLED.
  std::function<bool()> cancelled = nullptr;
};

struct TreeDigest {
  std::string digest;  // "sha256:…"
  int64_t bytes = 0;   // On disk; files with several names once.
  int64_t entries = 0;
};

// Hashes a directory tree so that equal trees give equal digests wherever they lie: names in byte
// order, types, modes, owners, times of modification, sizes, contents, link targets, device numbers
// (so whiteouts), hard links of files by their first name, extended attributes. Left out is what is
// a matter of the place: inode numbers, times of change, and the overlay's notes on where a file
// came from. Links are never followed, nor other file systems entered. Nobody may write to the tree
// meanwhile. Errors: RESOURCE_EXHAUSTED past a bound, CANCELLED, what a failed system call says.
absl::StatusOr<TreeDigest> DigestTree(const std::string& path, const TreeDigestOptions& options);

// "sha256:…" of a file's content.
absl::StatusOr<std::string> DigestFile(const std::string& path);

}  // namespace paddock::nodeagent
