#include "nodeagent/init/socket_exec_handle.h"

#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/error_details.h"
#include "common/status_macros.h"
#include "nodeagent/init/init_connection.h"
#include "nodeagent/init/wire.h"

namespace paddock::nodeagent {

absl::Status SocketExecHandle::Signal(int signal) {
  if (signal < 1 || signal >= NSIG) {
    return absl::InvalidArgumentError(absl::StrCat("signal must be from 1 to ", NSIG - 1));
  }
  init_protocol::Request request = EncodeSignal(signal);
  return SendPacket(connection_.get(), {reinterpret_cast<const char*>(&request), sizeof(request)},
                    {});
}

absl::Status SocketExecHandle::Resize(int rows, int cols) {
  if (!terminal_.valid()) return absl::FailedPreconditionError("the command has no terminal");
  if (rows < 1 || rows > 65535 || cols < 1 || cols > 65535) {
    return absl::InvalidArgumentError("rows and cols must be from 1 to 65535");
  }
  winsize size = {static_cast<uint16_t>(rows), static_cast<uint16_t>(cols), 0, 0};
  if (ioctl(terminal_.get(), TIOCSWINSZ, &size) != 0) {
    return absl::InternalError(absl::StrCat("resizing the terminal: ", std::strerror(errno)));
  }
  return absl::OkStatus();
}

absl::StatusOr<ExecExit> SocketExecHandle::TakeExit() {
  absl::MutexLock lock(&mutex_);
  if (exit_.has_value()) return *exit_;
  absl::StatusOr<ExecExit> exit = ReceiveExit();
  if (!absl::IsFailedPrecondition(exit.status())) exit_ = exit;
  return exit;
}

absl::StatusOr<ExecExit> SocketExecHandle::ReceiveExit() {
  PADDOCK_ASSIGN_OR_RETURN(Packet packet, ReceivePacket(connection_.get()));
  PADDOCK_ASSIGN_OR_RETURN(
      init_protocol::Reply reply,
      ParseReply(packet.bytes, static_cast<int>(packet.fds.size()), /*expected_fds=*/0));
  if (reply.type != static_cast<uint16_t>(init_protocol::ReplyType::kExited)) {
    return MakeError(ErrorReason::kExecInterrupted, "the sandbox's PID 1 gave the command up");
  }
  return ExecExit{reply.code, reply.signal};
}

}  // namespace paddock::nodeagent
