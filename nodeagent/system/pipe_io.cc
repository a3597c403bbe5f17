#include "nodeagent/system/pipe_io.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "nodeagent/system/errno_status.h"

namespace paddock::nodeagent {
namespace {

constexpr size_t kBufferBytes = 64 * 1024;

bool IsTransient(int error) { return error == EAGAIN || error == EWOULDBLOCK; }

}  // namespace

IoResult ReadSome(int fd, size_t max, std::string* data) {
  // One buffer a thread: a string of the chunk's size would be zeroed for every few bytes.
  thread_local char buffer[kBufferBytes];
  ssize_t count;
  do {
    count = read(fd, buffer, std::min(max, kBufferBytes));
  } while (count < 0 && errno == EINTR);
  if (count > 0) {
    data->assign(buffer, static_cast<size_t>(count));
    return IoResult::kDone;
  }
  return count < 0 && IsTransient(errno) ? IoResult::kWouldBlock : IoResult::kClosed;
}

IoResult WriteSome(int fd, absl::string_view data, size_t* written) {
  *written = 0;
  while (*written < data.size()) {
    const ssize_t count = write(fd, data.data() + *written, data.size() - *written);
    if (count > 0) {
      *written += static_cast<size_t>(count);
    } else if (count < 0 && errno == EINTR) {
      continue;
    } else {
      return count < 0 && !IsTransient(errno) ? IoResult::kClosed : IoResult::kWouldBlock;
    }
  }
  return IoResult::kDone;
}

size_t ReadableBytes(int fd) {
  int bytes = 0;
  return ioctl(fd, FIONREAD, &bytes) == 0 && bytes > 0 ? static_cast<size_t>(bytes) : 0;
}

absl::StatusOr<UniqueFd> DuplicateFd(int fd) {
  UniqueFd copy(fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!copy.valid()) return ErrnoStatus("duplicate a descriptor");
  return copy;
}

}  // namespace paddock::nodeagent
