#include "nodeagent/init/program/command.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "nodeagent/init/program/environment.h"
#include "nodeagent/init/program/execute.h"
#include "nodeagent/init/program/payload.h"
#include "nodeagent/init/program/reply.h"
#include "nodeagent/init/program/streams.h"
#include "nodeagent/init/program/user_database.h"

namespace paddock::nodeagent::program {

void ResetSignals() {
  for (int signal_number = 1; signal_number < NSIG; ++signal_number) {
    signal(signal_number, SIG_DFL);
  }
}

namespace {

using init_protocol::Reply;
using init_protocol::ReplyType;
using init_protocol::Step;

constexpr int kFailedCode = 126;

[[noreturn]] void Fail(const CommandRequest& request, Step step, int error) {
  SendReply(request.connection_fd, FailedReply(step, error));
  _exit(kFailedCode);
}

// First of all: whatever this process does from here on is charged to the command, and whoever ends
// the cgroup ends it too.
void JoinCgroup(const CommandRequest& request) {
  if (request.cgroup_fd < 0) return;
  if (write(request.cgroup_fd, "0", 1) != 1) Fail(request, Step::kCgroup, errno);
}

bool Inherits(const CommandRequest& request) {
  return (request.header.flags & init_protocol::kFlagInherit) != 0;
}

// A session of its own, and PID 1's precautions taken back. On an inherited terminal the session is
// the helper's, which has it as the controlling one.
void LeaveInit(const ProgramContext& context, const CommandRequest& request) {
  bool terminal = (request.header.flags & init_protocol::kFlagTerminal) != 0;
  if (Inherits(request) && terminal) {
    setpgid(0, 0);
    TakeForeground();
  } else {
    setsid();
  }
  ResetSignals();
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  setrlimit(RLIMIT_NOFILE, &context.file_limit);
  // So that running out of memory ends commands before PID 1. Best effort.
  int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (fd >= 0) {
    [[maybe_unused]] ssize_t written = write(fd, "100", 3);
    close(fd);
  }
}

Payload ReadPayload(const CommandRequest& request) {
  size_t size = request.header.payload_bytes;
  // A private copy: the agent can't change it while it is in use.
  void* data = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) Fail(request, Step::kPayload, errno);
  for (size_t done = 0; done < size;) {
    ssize_t got = pread(request.payload_fd, static_cast<char*>(data) + done, size - done,
                        static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) Fail(request, Step::kPayload, got < 0 ? errno : ENODATA);
    done += static_cast<size_t>(got);
  }
  Payload payload;
  if (!ParsePayload(static_cast<char*>(data), size, request.header.argument_count,
                    request.header.environment_count, &payload)) {
    Fail(request, Step::kRequest, EBADMSG);
  }
  return payload;
}

void LookUp(const CommandRequest& request, const char* spec, User* user) {
  switch (LookUpUser(spec, "/etc/passwd", "/etc/group", user)) {
    case LookUpResult::kFound:
      return;
    case LookUpResult::kNoSuchUser:
      Fail(request, Step::kUser, ENOENT);
    case LookUpResult::kNoSuchGroup:
      Fail(request, Step::kGroup, ENOENT);
  }
}

Streams MakeStreams(const CommandRequest& request, const User& user) {
  Streams streams;
  if (Inherits(request)) {
    UseInherited(&streams);
  } else if ((request.header.flags & init_protocol::kFlagTerminal) != 0) {
    int error = MakeTerminal(request.header.rows, request.header.columns, &streams);
    if (error != 0) Fail(request, Step::kTerminal, error);
  } else {
    int error = MakePipes(&streams);
    if (error != 0) Fail(request, Step::kStreams, error);
  }
  if (int error = GiveStreams(streams, user.uid); error != 0) {
    Fail(request, Step::kIdentity, error);
  }
  return streams;
}

// Root keeps PID 1's capabilities; for others the kernel drops what is effective and permitted, and
// the rest goes here.
int DropCapabilities() {
  struct {
    uint32_t version;
    int pid;
  } header = {0x20080522, 0};  // _LINUX_CAPABILITY_VERSION_3
  struct {
    uint32_t effective, permitted, inheritable;
  } sets[2] = {};
  return syscall(SYS_capset, &header, sets) == 0 ? 0 : errno;
}

void TakeIdentity(const CommandRequest& request, const User& user) {
  if (setgroups(user.group_count, user.groups) != 0 ||
      setresgid(user.gid, user.gid, user.gid) != 0 ||
      setresuid(user.uid, user.uid, user.uid) != 0) {
    Fail(request, Step::kIdentity, errno);
  }
  if (user.uid == 0) return;
  if (int error = DropCapabilities(); error != 0) Fail(request, Step::kIdentity, error);
  // A change of identity can undo it; until execve this process holds the agent's connection.
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

void EnterDirectory(const CommandRequest& request, const char* directory) {
  if (chdir(directory) == 0) return;
  int error = errno;
  bool is_gone = error == ENOENT || error == ENOTDIR;
  bool is_default = (request.header.flags & init_protocol::kFlagDefaultDirectory) != 0;
  if (is_gone && is_default && chdir("/") == 0) return;
  Fail(request, Step::kDirectory, error);
}

}  // namespace

void RunCommand(const ProgramContext& context, const CommandRequest& request) {
  JoinCgroup(request);
  LeaveInit(context, request);
  Payload payload = ReadPayload(request);
  static User user;
  LookUp(request, payload.user, &user);
  char** environment =
      BuildEnvironment(context.environment, payload.environment, request.header.environment_count,
                       user, (request.header.flags & init_protocol::kFlagTerminal) != 0);
  if (environment == nullptr) Fail(request, Step::kPayload, ENOMEM);
  Streams streams = MakeStreams(request, user);
  TakeIdentity(request, user);
  EnterDirectory(request, payload.directory);
  Reply started = NewReply(ReplyType::kStarted);
  started.pid = getpid();
  if (int error = SendReply(request.connection_fd, started, streams.agent, streams.agent_count);
      error != 0) {
    Fail(request, Step::kStreams, error);
  }
  for (int i = 0; i < 3 && !Inherits(request); ++i) {
    if (dup2(streams.own[i], i) < 0) _exit(kFailedCode);
  }
  Execute(payload.arguments, environment, context.program_fd);
}

}  // namespace paddock::nodeagent::program
