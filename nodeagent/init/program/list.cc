#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nodeagent/init/program/file_commands.h"

namespace paddock::nodeagent::program {
namespace {

using file_protocol::EntryHeader;
using file_protocol::EntryType;
using file_protocol::Step;

EntryType TypeOf(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR:
      return EntryType::kDirectory;
    case S_IFLNK:
      return EntryType::kSymlink;
    case S_IFIFO:
      return EntryType::kFifo;
    case S_IFSOCK:
      return EntryType::kSocket;
    case S_IFCHR:
      return EntryType::kCharDevice;
    case S_IFBLK:
      return EntryType::kBlockDevice;
    default:
      return EntryType::kFile;
  }
}

// Gathers small records, so that a large directory costs few system calls.
class Output {
 public:
  bool Append(const void* data, size_t size) {
    if (used_ + size > sizeof(buffer_) && !Flush()) return false;
    memcpy(buffer_ + used_, data, size);
    used_ += size;
    return true;
  }
  bool Flush() {
    bool written = WriteAll(STDOUT_FILENO, buffer_, used_);
    used_ = 0;
    return written;
  }

 private:
  char buffer_[64 * 1024];
  size_t used_ = 0;
};

bool AppendEntry(int directory, const char* name, const struct stat& info, Output* output) {
  static char target[file_protocol::kMaxTargetBytes];
  EntryHeader header = {};
  header.size = static_cast<uint64_t>(info.st_size);
  header.modified_seconds = info.st_mtim.tv_sec;
  header.modified_nanos = static_cast<uint32_t>(info.st_mtim.tv_nsec);
  header.mode = info.st_mode & 07777;
  header.name_bytes = static_cast<uint16_t>(strlen(name));
  header.type = static_cast<uint8_t>(TypeOf(info.st_mode));
  if (S_ISLNK(info.st_mode)) {
    ssize_t length = readlinkat(directory, name, target, sizeof(target));
    if (length > 0) header.target_bytes = static_cast<uint16_t>(length);
  }
  return output->Append(&header, sizeof(header)) && output->Append(name, header.name_bytes) &&
         output->Append(target, header.target_bytes);
}

int ListEntries(DIR* directory, Output* output) {
  EntryHeader end = {};
  for (;;) {
    errno = 0;
    struct dirent* entry = readdir(directory);
    if (entry == nullptr) {
      if (errno != 0) return FileError(Step::kRead, errno);
      break;
    }
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    struct stat info;
    if (fstatat(dirfd(directory), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) continue;  // Gone meanwhile.
      return FileError(Step::kRead, errno);
    }
    if (!AppendEntry(dirfd(directory), entry->d_name, info, output)) {
      return FileError(Step::kOutput, errno);
    }
    ++end.size;
  }
  if (!output->Append(&end, sizeof(end)) || !output->Flush()) {
    return FileError(Step::kOutput, errno);
  }
  return 0;
}

// ENOTDIR alone doesn't tell whether it is the path itself or something on the way to it.
Step FailedStep(const char* path, int error) {
  struct stat info;
  bool is_there = error == ENOTDIR && stat(path, &info) == 0;
  errno = error;
  return is_there ? Step::kKind : Step::kOpen;
}

}  // namespace

int List(const char* path) {
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return FileError(FailedStep(path, errno), errno);
  DIR* directory = fdopendir(fd);
  if (directory == nullptr) return FileError(Step::kRead, errno);
  static Output output;
  int code = ListEntries(directory, &output);
  closedir(directory);
  return code;
}

}  // namespace paddock::nodeagent::program
