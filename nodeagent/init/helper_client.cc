#include "nodeagent/init/helper_client.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/clock.h"
#include "common/status_macros.h"
#include "nodeagent/init/exec_exchange.h"
#include "nodeagent/init/init_connection.h"
#include "nodeagent/system/pidfd.h"

namespace paddock::nodeagent {
namespace {

absl::Status OutOf(absl::string_view what) {
  return absl::ResourceExhaustedError(absl::StrCat(what, ": ", std::strerror(errno)));
}

absl::Status MakePipe(UniqueFd* reader, UniqueFd* writer) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return OutOf("pipe2");
  reader->reset(ends[0]);
  writer->reset(ends[1]);
  return absl::OkStatus();
}

absl::Status MakeNonBlocking(int fd) {
  return fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0 ? absl::OkStatus()
                                                                  : OutOf("fcntl");
}

// A helper's ends of stdio that was made here.
struct PassedStdio {
  UniqueFd stdin_read;
  UniqueFd stdout_write;
  UniqueFd stderr_write;
};

absl::Status MakeStdio(PassedStdio* passed, ExecStreams* streams) {
  *streams = ExecStreams();
  PADDOCK_RETURN_IF_ERROR(MakePipe(&passed->stdin_read, &streams->stdin_write));
  PADDOCK_RETURN_IF_ERROR(MakePipe(&streams->stdout_read, &passed->stdout_write));
  PADDOCK_RETURN_IF_ERROR(MakePipe(&streams->stderr_read, &passed->stderr_write));
  for (const UniqueFd* fd : {&streams->stdin_write, &streams->stdout_read, &streams->stderr_read}) {
    PADDOCK_RETURN_IF_ERROR(MakeNonBlocking(fd->get()));
  }
  return absl::OkStatus();
}

// A command behind a helper, which goes with it.
class HelperExecHandle : public ExecHandle {
 public:
  HelperExecHandle(std::unique_ptr<ExecHandle> command, UniqueFd helper)
      : command_(std::move(command)), helper_(std::move(helper)) {}
  // A helper that the sandbox has stopped doesn't notice that nobody listens any more. One that
  // kills is outside of the container's reach, and inside it notices.
  ~HelperExecHandle() override {
    command_.reset();
    PidfdKill(helper_.get(), SIGKILL).IgnoreError();
  }
  int pid() const override { return command_->pid(); }
  absl::Status Signal(int signal) override { return command_->Signal(signal); }
  absl::Status Resize(int rows, int cols) override { return command_->Resize(rows, cols); }
  int exit_fd() const override { return command_->exit_fd(); }
  absl::StatusOr<ExecExit> TakeExit() override { return command_->TakeExit(); }

 private:
  std::unique_ptr<ExecHandle> command_;
  const UniqueFd helper_;
};

class HelperClient : public InitClient {
 public:
  explicit HelperClient(HelperOptions options) : options_(std::move(options)) {}

  absl::StatusOr<std::unique_ptr<ExecHandle>> Exec(const ExecSpec& spec, int cgroup_procs_fd,
                                                   ExecStreams* streams,
                                                   absl::Duration timeout) override {
    const absl::Duration deadline = Clock::Real()->Monotonic() + timeout;
    if (options_.passes_stdio) cgroup_procs_fd = -1;  // It means nothing inside.
    PADDOCK_ASSIGN_OR_RETURN(EncodedExec encoded, EncodeExec(spec, cgroup_procs_fd >= 0));
    PassedStdio passed;
    if (options_.passes_stdio) {
      if (spec.tty) {
        return absl::UnimplementedError("terminals aren't supported with this runtime class");
      }
      encoded = OnInheritedStdio(std::move(encoded));
      PADDOCK_RETURN_IF_ERROR(MakeStdio(&passed, streams));
    }
    PADDOCK_ASSIGN_OR_RETURN(const UniqueFd payload, MakePayload(encoded.payload));
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
      return OutOf("socketpair");
    }
    UniqueFd connection(ends[0]), theirs(ends[1]);
    // It waits there for the helper.
    PADDOCK_RETURN_IF_ERROR(SendExec(connection.get(), encoded, payload.get(), cgroup_procs_fd));
    absl::StatusOr<UniqueFd> helper =
        options_.start({theirs.get(), passed.stdin_read.get(), passed.stdout_write.get(),
                        passed.stderr_write.get()},
                       timeout);
    if (!helper.ok()) {
      // One that appears all the same finds nothing to start.
      RevokePayload(payload.get()).IgnoreError();
      return helper.status();
    }
    theirs.reset();
    passed = PassedStdio();
    const absl::Status answered =
        WaitReadable(connection.get(), deadline - Clock::Real()->Monotonic());
    absl::StatusOr<std::unique_ptr<ExecHandle>> command =
        answered.ok() ? ReceiveStarted(spec, options_.passes_stdio, std::move(connection), streams)
                      : answered;
    if (!command.ok()) {
      RevokePayload(payload.get()).IgnoreError();
      PidfdKill(helper->get(), SIGKILL).IgnoreError();
      return command.status();
    }
    return std::make_unique<HelperExecHandle>(*std::move(command), *std::move(helper));
  }

 private:
  const HelperOptions options_;
};

}  // namespace

std::unique_ptr<InitClient> MakeHelperClient(HelperOptions options) {
  return std::make_unique<HelperClient>(std::move(options));
}

}  // namespace paddock::nodeagent
