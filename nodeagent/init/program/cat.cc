#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nodeagent/init/program/file_commands.h"

namespace paddock::nodeagent::program {
namespace {

using file_protocol::Step;

// 0, or the errno that says what it is instead of a regular file.
int KindError(const struct stat& info) {
  if (S_ISREG(info.st_mode)) return 0;
  return S_ISDIR(info.st_mode) ? EISDIR : EINVAL;
}

// A descriptor of the regular file, or -1 after saying why not. Looks before it opens: opening a
// FIFO or a device for reading can block, and be noticed at its other end.
int OpenRegular(const char* path, int* code) {
  struct stat info;
  if (stat(path, &info) != 0) {
    *code = FileError(Step::kOpen, errno);
    return -1;
  }
  int error = KindError(info);
  int fd = error == 0 ? open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC) : -1;
  if (error == 0 && fd < 0) {
    *code = FileError(Step::kOpen, errno);
    return -1;
  }
  // It may have been swapped in between.
  if (error == 0 && fstat(fd, &info) == 0) error = KindError(info);
  if (error == 0) return fd;
  if (fd >= 0) close(fd);
  *code = FileError(Step::kKind, error);
  return -1;
}

}  // namespace

int Cat(const char* path, long long offset, long long limit) {
  int code = 0;
  int fd = OpenRegular(path, &code);
  if (fd < 0) return code;
  static char buffer[64 * 1024];
  long long left = limit == 0 ? 0x7fffffffffffffff : limit;
  while (left > 0) {
    size_t wanted =
        left < static_cast<long long>(sizeof(buffer)) ? static_cast<size_t>(left) : sizeof(buffer);
    ssize_t got = pread(fd, buffer, wanted, offset);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FileError(Step::kRead, errno);
    if (got == 0) return 0;
    if (!WriteAll(STDOUT_FILENO, buffer, static_cast<size_t>(got))) {
      return FileError(Step::kOutput, errno);
    }
    offset += got;
    left -= got;
  }
  return 0;
}

}  // namespace paddock::nodeagent::program
