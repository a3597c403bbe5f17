#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace paddock::nodeagent {

// The status for a failed system call: "<what>: <text of error_number>". ENOENT and ESRCH become
// NOT_FOUND, EEXIST ALREADY_EXISTS, EDQUOT, ENOSPC, ENOMEM, EAGAIN, EMFILE and ENFILE
// RESOURCE_EXHAUSTED, EPERM and EACCES PERMISSION_DENIED, ENOSYS, EOPNOTSUPP and ENODEV
// FAILED_PRECONDITION, ETIMEDOUT DEADLINE_EXCEEDED, anything else INTERNAL.
absl::Status ErrnoStatus(int error_number, absl::string_view what);

// The same for the current errno; call it right after the failed call.
absl::Status ErrnoStatus(absl::string_view what);

}  // namespace paddock::nodeagent
