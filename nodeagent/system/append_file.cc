#include "nodeagent/system/append_file.h"

#include <fcntl.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "nodeagent/system/errno_status.h"

namespace paddock::nodeagent {

absl::StatusOr<UniqueFd> OpenForAppend(const std::string& path) {
  UniqueFd file(open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600));
  if (!file.valid()) return ErrnoStatus(absl::StrCat("open ", path));
  return file;
}

absl::Status SyncData(int fd) {
  return fdatasync(fd) == 0 ? absl::OkStatus() : ErrnoStatus("fdatasync");
}

}  // namespace paddock::nodeagent
