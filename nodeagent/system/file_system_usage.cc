#include "nodeagent/system/file_system_usage.h"

#include <sys/statvfs.h>

#include "absl/strings/str_cat.h"
#include "nodeagent/system/errno_status.h"

namespace paddock::nodeagent {

absl::StatusOr<FileSystemUsage> ReadFileSystemUsage(const std::string& path) {
  struct statvfs stats;
  if (statvfs(path.c_str(), &stats) != 0) return ErrnoStatus(absl::StrCat("statvfs ", path));
  const int64_t block = static_cast<int64_t>(stats.f_frsize);
  return FileSystemUsage{static_cast<int64_t>(stats.f_blocks) * block,
                         static_cast<int64_t>(stats.f_bavail) * block};
}

}  // namespace paddock::nodeagent
