#include "nodeagent/net/forwarding.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "nodeagent/system/errno_status.h"
#include "nodeagent/system/file.h"
#include "nodeagent/system/replace_file.h"
#include "nodeagent/system/unique_fd.h"

namespace paddock::nodeagent {
namespace {

constexpr char kUserPrefix[] = "forwarding-user-";

// Locks the directory's lock file; held until the descriptor is closed. Critical sections are a few
// file operations, so it waits without a limit.
absl::StatusOr<UniqueFd> LockDirectory(const std::string& directory) {
  PADDOCK_RETURN_IF_ERROR(MakeDirectories(directory));
  std::string path = absl::StrCat(directory, "/forwarding.lock");
  while (true) {
    UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!fd.valid()) return ErrnoStatus(absl::StrCat("opening ", path));
    if (flock(fd.get(), LOCK_EX) < 0) return ErrnoStatus(absl::StrCat("locking ", path));
    // The last user removes the file: what was locked may not be what the others find.
    struct stat locked, found;
    if (fstat(fd.get(), &locked) < 0) return ErrnoStatus("fstat");
    if (stat(path.c_str(), &found) == 0 && locked.st_ino == found.st_ino) return fd;
  }
}

absl::StatusOr<int> CountUsers(const std::string& directory) {
  PADDOCK_ASSIGN_OR_RETURN(std::vector<std::string> names, ListDirectory(directory));
  return std::count_if(names.begin(), names.end(),
                       [](const std::string& name) { return absl::StartsWith(name, kUserPrefix); });
}

}  // namespace

std::string SharedForwarding::UserFile(const std::string& instance) const {
  return absl::StrCat(directory_, "/", kUserPrefix, instance);
}

std::string SharedForwarding::OriginalFile() const {
  return absl::StrCat(directory_, "/forwarding-original");
}

bool SharedForwarding::IsOn() const {
  absl::StatusOr<std::string> value = ReadFile(setting_);
  return value.ok() && absl::StartsWith(*value, "1");
}

absl::Status SharedForwarding::Acquire(const std::string& instance) {
  PADDOCK_ASSIGN_OR_RETURN(UniqueFd lock, LockDirectory(directory_));
  PADDOCK_ASSIGN_OR_RETURN(int users, CountUsers(directory_));
  if (users == 0) {
    PADDOCK_RETURN_IF_ERROR(ReplaceFile(OriginalFile(), IsOn() ? "1" : "0"));
  }
  PADDOCK_RETURN_IF_ERROR(ReplaceFile(UserFile(instance), ""));
  if (IsOn()) return absl::OkStatus();
  return WriteControlFile(setting_, "1");
}

absl::Status SharedForwarding::Release(const std::string& instance) {
  if (!PathExists(UserFile(instance))) return absl::OkStatus();
  PADDOCK_ASSIGN_OR_RETURN(UniqueFd lock, LockDirectory(directory_));
  PADDOCK_ASSIGN_OR_RETURN(int users, CountUsers(directory_));
  if (users == 1 && PathExists(UserFile(instance))) {
    PADDOCK_ASSIGN_OR_RETURN(std::string original, ReadFile(OriginalFile()));
    // Before the record goes: a crash in between leaves it to be done again.
    if (original == "0") PADDOCK_RETURN_IF_ERROR(WriteControlFile(setting_, "0"));
    PADDOCK_RETURN_IF_ERROR(RemoveFile(UserFile(instance)));
    PADDOCK_RETURN_IF_ERROR(RemoveFile(OriginalFile()));
    PADDOCK_RETURN_IF_ERROR(RemoveFile(absl::StrCat(directory_, "/forwarding.lock")));
    rmdir(directory_.c_str());  // Others may keep something there.
    return absl::OkStatus();
  }
  return RemoveFile(UserFile(instance));
}

}  // namespace paddock::nodeagent
