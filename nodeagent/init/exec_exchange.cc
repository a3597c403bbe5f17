#include "nodeagent/init/exec_exchange.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/error_details.h"
#include "common/status_macros.h"
#include "nodeagent/init/init_connection.h"
#include "nodeagent/init/socket_exec_handle.h"

namespace paddock::nodeagent {
namespace {

using init_protocol::Reply;
using init_protocol::ReplyType;

constexpr int kPipeCount = 3;

absl::Status Suspicious() {
  return absl::InternalError("the sandbox's PID 1 sent descriptors of another kind");
}

// Nothing but an end of an anonymous pipe, opened for `access` alone, is used.
absl::Status CheckPipe(int fd, int access) {
  struct stat info;
  struct statfs system;
  if (fstat(fd, &info) != 0 || !S_ISFIFO(info.st_mode) || fstatfs(fd, &system) != 0 ||
      system.f_type != PIPEFS_MAGIC || (fcntl(fd, F_GETFL) & O_ACCMODE) != access) {
    return Suspicious();
  }
  return fcntl(fd, F_SETFL, access | O_NONBLOCK) == 0 ? absl::OkStatus() : Suspicious();
}

absl::Status CheckTerminal(int fd) {
  struct stat info;
  int number = 0;
  if (fstat(fd, &info) != 0 || !S_ISCHR(info.st_mode) || ioctl(fd, TIOCGPTN, &number) != 0) {
    return Suspicious();
  }
  return fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK) == 0 ? absl::OkStatus() : Suspicious();
}

absl::Status TakeStreams(bool tty, std::vector<UniqueFd> fds, ExecStreams* streams) {
  *streams = ExecStreams();
  if (tty) {
    PADDOCK_RETURN_IF_ERROR(CheckTerminal(fds[0].get()));
    streams->terminal = std::move(fds[0]);
    return absl::OkStatus();
  }
  PADDOCK_RETURN_IF_ERROR(CheckPipe(fds[0].get(), O_WRONLY));
  PADDOCK_RETURN_IF_ERROR(CheckPipe(fds[1].get(), O_RDONLY));
  PADDOCK_RETURN_IF_ERROR(CheckPipe(fds[2].get(), O_RDONLY));
  streams->stdin_write = std::move(fds[0]);
  streams->stdout_read = std::move(fds[1]);
  streams->stderr_read = std::move(fds[2]);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<UniqueFd> MakePayload(const std::string& payload) {
  UniqueFd fd(memfd_create("exec", MFD_CLOEXEC));
  if (!fd.valid()) {
    return absl::ResourceExhaustedError(absl::StrCat("memfd_create: ", std::strerror(errno)));
  }
  for (size_t done = 0; done < payload.size();) {
    ssize_t written = write(fd.get(), payload.data() + done, payload.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      return absl::ResourceExhaustedError(absl::StrCat("memfd: ", std::strerror(errno)));
    }
    done += static_cast<size_t>(written);
  }
  return fd;
}

absl::Status RevokePayload(int payload_fd) {
  if (ftruncate(payload_fd, 0) == 0) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("ftruncate: ", std::strerror(errno)));
}

absl::Status SendExec(int connection, const EncodedExec& encoded, int payload_fd,
                      int cgroup_procs_fd) {
  std::vector<int> fds = {payload_fd};
  if (cgroup_procs_fd >= 0) fds.push_back(cgroup_procs_fd);
  return SendPacket(connection,
                    {reinterpret_cast<const char*>(&encoded.header), sizeof(encoded.header)}, fds);
}

absl::StatusOr<std::unique_ptr<ExecHandle>> ReceiveStarted(const ExecSpec& spec, bool inherits,
                                                           UniqueFd connection,
                                                           ExecStreams* streams) {
  PADDOCK_ASSIGN_OR_RETURN(Packet packet, ReceivePacket(connection.get()));
  PADDOCK_ASSIGN_OR_RETURN(Reply reply,
                           ParseReply(packet.bytes, static_cast<int>(packet.fds.size()),
                                      inherits   ? 0
                                      : spec.tty ? 1
                                                 : kPipeCount));
  if (reply.type == static_cast<uint16_t>(ReplyType::kFailed)) return FailureStatus(reply, spec);
  if (reply.type != static_cast<uint16_t>(ReplyType::kStarted)) {
    return MakeError(ErrorReason::kExecInterrupted, "the command was killed before it started");
  }
  if (!inherits) PADDOCK_RETURN_IF_ERROR(TakeStreams(spec.tty, std::move(packet.fds), streams));
  UniqueFd terminal;
  if (spec.tty) {
    terminal.reset(fcntl(streams->terminal.get(), F_DUPFD_CLOEXEC, 0));
    if (!terminal.valid()) return absl::ResourceExhaustedError("no descriptor left");
  }
  return std::make_unique<SocketExecHandle>(std::move(connection), std::move(terminal), reply.pid);
}

}  // namespace paddock::nodeagent
