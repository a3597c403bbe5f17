#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace paddock::nodeagent {

// Replaces `path` in one step (temporary file, rename) without waiting for the disk: a crash of
// this process leaves the old or the new content, a power cut may leave either or an empty file.
// For state that describes kernel resources, which a power cut removes as well. Mode 0600.
absl::Status ReplaceFile(const std::string& path, absl::string_view content);

}  // namespace paddock::nodeagent
