#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nodeagent/init/program/file_commands.h"
#include "nodeagent/init/program/target_path.h"
#include "nodeagent/init/program/temporary_file.h"

namespace paddock::nodeagent::program {
namespace {

using file_protocol::Step;

constexpr unsigned kNewFileMode = 0644;

struct Failure {
  Step step;
  int error;  // 0: none
};
constexpr Failure kNoFailure = {Step::kNone, 0};

// Copies one frame of `size` bytes from standard input.
Failure CopyFrame(int fd, size_t size) {
  static char buffer[64 * 1024];
  while (size > 0) {
    ssize_t got = read(STDIN_FILENO, buffer, size < sizeof(buffer) ? size : sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return {Step::kInput, got < 0 ? errno : ECANCELED};
    if (!WriteAll(fd, buffer, static_cast<size_t>(got))) return {Step::kWrite, errno};
    size -= static_cast<size_t>(got);
  }
  return kNoFailure;
}

// Copies standard input up to its end mark.
Failure CopyInput(int fd) {
  uint64_t total = 0;
  for (;;) {
    uint32_t size = 0;
    if (!ReadAll(STDIN_FILENO, &size, sizeof(size))) return {Step::kInput, ECANCELED};
    if (size == 0) break;
    if (size > file_protocol::kMaxFrameBytes) return {Step::kInput, EBADMSG};
    Failure failure = CopyFrame(fd, size);
    if (failure.error != 0) return failure;
    total += size;
  }
  uint64_t announced = 0;
  if (!ReadAll(STDIN_FILENO, &announced, sizeof(announced))) return {Step::kInput, ECANCELED};
  return announced == total ? kNoFailure : Failure{Step::kInput, EBADMSG};
}

// Owner, mode and durability, before it has a name.
Failure Finish(int fd, const TargetPath& target, unsigned mode) {
  if (target.exists &&
      (target.existing.st_uid != geteuid() || target.existing.st_gid != getegid()) &&
      fchown(fd, target.existing.st_uid, target.existing.st_gid) != 0) {
    return {Step::kWrite, errno};
  }
  if (mode == 0) mode = target.exists ? target.existing.st_mode & 0777 : kNewFileMode;
  if (fchmod(fd, mode) != 0 || fsync(fd) != 0) return {Step::kWrite, errno};
  return kNoFailure;
}

// Not every file system can sync a directory.
bool SyncDirectory(int fd) { return fsync(fd) == 0 || errno == EINVAL || errno == EROFS; }

Failure Publish(const TargetPath& target, TemporaryFile* file) {
  int parent = OpenParent(target);
  if (parent < 0) return {Step::kParents, errno};
  int error = file->Publish(parent, target.name);
  Failure failure = {error != 0 ? Step::kPublish : Step::kNone, error};
  if (error == 0 && !SyncDirectory(parent)) failure = {Step::kPublish, errno};
  close(parent);
  return failure;
}

// The file is made in the deepest directory that exists, so nothing at all appears, not even a
// parent, before all of it is there.
Failure WriteTarget(const TargetPath& target, unsigned mode) {
  TemporaryFile file;
  int error = file.Create(target.directory_fd);
  if (error != 0) return {Step::kCreate, error};
  Failure failure = CopyInput(file.fd());
  if (failure.error == 0) failure = Finish(file.fd(), target, mode);
  if (failure.error == 0) failure = Publish(target, &file);
  return failure;
}

}  // namespace

int Write(const char* path, unsigned mode) {
  static TargetPath target;
  switch (ResolveTarget(path, &target)) {
    case ResolveResult::kResolved:
      break;
    case ResolveResult::kUnreachable:
      return FileError(Step::kOpen, errno);
    case ResolveResult::kWrongKind:
      return FileError(Step::kKind, errno);
  }
  Failure failure = WriteTarget(target, mode);
  return failure.error == 0 ? 0 : FileError(failure.step, failure.error);
}

}  // namespace paddock::nodeagent::program
