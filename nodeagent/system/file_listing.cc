#include "nodeagent/system/file_listing.h"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "nodeagent/system/file.h"

namespace paddock::nodeagent {

absl::StatusOr<std::vector<FileEntry>> ListFilesByAge(const std::string& directory) {
  PADDOCK_ASSIGN_OR_RETURN(std::vector<std::string> names, ListDirectory(directory));
  std::vector<FileEntry> files;
  for (std::string& name : names) {
    struct stat stats;
    // It may have gone since.
    if (lstat(absl::StrCat(directory, "/", name).c_str(), &stats) != 0) continue;
    if (!S_ISREG(stats.st_mode)) continue;
    files.push_back({std::move(name), stats.st_size, absl::TimeFromTimespec(stats.st_mtim)});
  }
  std::stable_sort(files.begin(), files.end(),
                   [](const FileEntry& a, const FileEntry& b) { return a.modified < b.modified; });
  return files;
}

}  // namespace paddock::nodeagent
