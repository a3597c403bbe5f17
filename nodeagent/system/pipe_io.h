#pragma once

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nodeagent/system/unique_fd.h"

namespace paddock::nodeagent {

enum class IoResult { kDone, kWouldBlock, kClosed };

// Reads at most `max` (up to 64 KiB) from a non-blocking pipe, socket or terminal. kClosed: the
// other side is gone, for whatever reason.
IoResult ReadSome(int fd, size_t max, std::string* data);

// Writes what goes; `written` says how much. kClosed: nobody will ever read it.
IoResult WriteSome(int fd, absl::string_view data, size_t* written);

// Bytes that can be read at once; 0 if that can't be told.
size_t ReadableBytes(int fd);

absl::StatusOr<UniqueFd> DuplicateFd(int fd);

}  // namespace paddock::nodeagent
