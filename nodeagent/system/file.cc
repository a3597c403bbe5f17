#include "nodeagent/system/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <memory>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "nodeagent/system/errno_status.h"

namespace paddock::nodeagent {
namespace {

std::string DirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// A name that no other thread, nor another process that lives now, makes.
std::string TemporaryName(const std::string& path) {
  static std::atomic<uint64_t> counter{0};
  return absl::StrCat(path, ".tmp.", getpid(), ".", counter.fetch_add(1));
}

absl::Status WriteNew(const std::string& path, int flags, absl::string_view content, mode_t mode,
                      bool sync) {
  UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | flags, mode));
  if (!fd.valid()) return ErrnoStatus(absl::StrCat("open ", path));
  PADDOCK_RETURN_IF_ERROR(WriteAll(fd.get(), content));
  if (sync && fsync(fd.get()) != 0) return ErrnoStatus(absl::StrCat("fsync ", path));
  return absl::OkStatus();
}

using DirHandle = std::unique_ptr<DIR, int (*)(DIR*)>;

DirHandle OpenDirStream(int dir_fd) {
  const int copy = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return DirHandle(copy < 0 ? nullptr : fdopendir(copy), &closedir);
}

bool IsDots(const char* name) {
  return absl::string_view(name) == "." || absl::string_view(name) == "..";
}

absl::Status RemoveContent(int dir_fd, dev_t device, const std::string& path) {
  DirHandle dir = OpenDirStream(dir_fd);
  if (dir == nullptr) return ErrnoStatus(absl::StrCat("opendir ", path));
  while (const dirent* entry = readdir(dir.get())) {
    if (IsDots(entry->d_name)) continue;
    if (unlinkat(dir_fd, entry->d_name, 0) == 0 || errno == ENOENT) continue;
    const std::string child = absl::StrCat(path, "/", entry->d_name);
    if (errno != EISDIR && errno != EPERM) return ErrnoStatus(absl::StrCat("unlink ", child));
    UniqueFd child_fd(
        openat(dir_fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!child_fd.valid()) return ErrnoStatus(absl::StrCat("open ", child));
    struct stat st;
    if (fstat(child_fd.get(), &st) != 0) return ErrnoStatus(absl::StrCat("fstat ", child));
    if (st.st_dev != device) {
      return absl::FailedPreconditionError(absl::StrCat(child, " is another file system"));
    }
    PADDOCK_RETURN_IF_ERROR(RemoveContent(child_fd.get(), device, child));
    if (unlinkat(dir_fd, entry->d_name, AT_REMOVEDIR) != 0 && errno != ENOENT) {
      return ErrnoStatus(absl::StrCat("rmdir ", child));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> ReadFile(const std::string& path, size_t max_bytes) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(absl::StrCat("open ", path));
  std::string out;
  char buffer[16384];
  while (true) {
    const ssize_t n = read(fd.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(absl::StrCat("read ", path));
    if (n == 0) return out;
    out.append(buffer, static_cast<size_t>(n));
    if (out.size() > max_bytes) {
      return absl::ResourceExhaustedError(
          absl::StrCat(path, " is longer than ", max_bytes, " bytes"));
    }
  }
}

absl::Status WriteFileAtomically(const std::string& path, absl::string_view content, mode_t mode) {
  const std::string temporary = TemporaryName(path);
  absl::Status status = WriteNew(temporary, O_EXCL, content, mode, /*sync=*/true);
  if (status.ok() && rename(temporary.c_str(), path.c_str()) != 0) {
    status = ErrnoStatus(absl::StrCat("rename to ", path));
  }
  if (!status.ok()) {
    unlink(temporary.c_str());
    return status;
  }
  return SyncDirectory(DirectoryOf(path));
}

absl::Status WriteFile(const std::string& path, absl::string_view content, mode_t mode) {
  return WriteNew(path, O_TRUNC, content, mode, /*sync=*/false);
}

absl::Status WriteControlFile(const std::string& path, absl::string_view value) {
  UniqueFd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(absl::StrCat("open ", path));
  if (write(fd.get(), value.data(), value.size()) < 0) {
    return ErrnoStatus(absl::StrCat("write \"", value, "\" to ", path));
  }
  return absl::OkStatus();
}

absl::Status WriteAll(int fd, absl::string_view data) {
  while (!data.empty()) {
    const ssize_t n = write(fd, data.data(), data.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus("write");
    data.remove_prefix(static_cast<size_t>(n));
  }
  return absl::OkStatus();
}

absl::Status MakeDirectories(const std::string& path, mode_t mode) {
  if (mkdir(path.c_str(), mode) == 0) return absl::OkStatus();
  if (errno == EEXIST) {
    struct stat st;
    if (stat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode)) return absl::OkStatus();
    return absl::AlreadyExistsError(absl::StrCat(path, " is there and no directory"));
  }
  const std::string parent = DirectoryOf(path);
  if (errno != ENOENT || parent == path) return ErrnoStatus(absl::StrCat("mkdir ", path));
  PADDOCK_RETURN_IF_ERROR(MakeDirectories(parent, mode));
  if (mkdir(path.c_str(), mode) != 0 && errno != EEXIST) {
    return ErrnoStatus(absl::StrCat("mkdir ", path));
  }
  return absl::OkStatus();
}

absl::StatusOr<UniqueFd> OpenDirectory(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(absl::StrCat("open ", path));
  return fd;
}

absl::Status SyncDirectory(const std::string& path) {
  PADDOCK_ASSIGN_OR_RETURN(UniqueFd fd, OpenDirectory(path));
  if (fsync(fd.get()) != 0) return ErrnoStatus(absl::StrCat("fsync ", path));
  return absl::OkStatus();
}

absl::Status SyncFileSystem(const std::string& path) {
  PADDOCK_ASSIGN_OR_RETURN(UniqueFd fd, OpenDirectory(path));
  if (syncfs(fd.get()) != 0) return ErrnoStatus(absl::StrCat("syncfs ", path));
  return absl::OkStatus();
}

absl::Status RemoveTree(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.valid()) {
    if (errno == ENOENT) return absl::OkStatus();
    if (errno == ENOTDIR || errno == ELOOP) return RemoveFile(path);
    return ErrnoStatus(absl::StrCat("open ", path));
  }
  struct stat st;
  if (fstat(fd.get(), &st) != 0) return ErrnoStatus(absl::StrCat("fstat ", path));
  PADDOCK_RETURN_IF_ERROR(RemoveContent(fd.get(), st.st_dev, path));
  if (rmdir(path.c_str()) != 0 && errno != ENOENT) {
    return ErrnoStatus(absl::StrCat("rmdir ", path));
  }
  return absl::OkStatus();
}

absl::Status RemoveFile(const std::string& path) {
  if (unlink(path.c_str()) != 0 && errno != ENOENT) {
    return ErrnoStatus(absl::StrCat("unlink ", path));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> ListDirectory(const std::string& path) {
  PADDOCK_ASSIGN_OR_RETURN(UniqueFd fd, OpenDirectory(path));
  DirHandle dir = OpenDirStream(fd.get());
  if (dir == nullptr) return ErrnoStatus(absl::StrCat("opendir ", path));
  std::vector<std::string> names;
  while (const dirent* entry = readdir(dir.get())) {
    if (!IsDots(entry->d_name)) names.emplace_back(entry->d_name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<int64_t> FileSize(const std::string& path) {
  struct stat st;
  if (stat(path.c_str(), &st) != 0) return ErrnoStatus(absl::StrCat("stat ", path));
  return st.st_size;
}

bool PathExists(const std::string& path) {
  struct stat st;
  return lstat(path.c_str(), &st) == 0;
}

}  // namespace paddock::nodeagent
