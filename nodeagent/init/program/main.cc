// The program of a sandbox: without arguments its PID 1, with `reap` a PID 1 that serves nobody,
// with `exec` or `exec-kill` a helper of the agent (all three: protocol.h), with others one of the
// file commands (file_protocol.h). Static, without the C++ runtime, a few pages of memory.

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nodeagent/init/program/descendants.h"
#include "nodeagent/init/program/file_commands.h"
#include "nodeagent/init/program/server.h"

namespace paddock::nodeagent::program {
namespace {

constexpr int kUsageCode = 2;

[[noreturn]] void Die(const char* message) {
  [[maybe_unused]] ssize_t written = write(STDERR_FILENO, message, strlen(message));
  _exit(kUsageCode);
}

bool IsListener(int fd) {
  int listening = 0;
  socklen_t size = sizeof(listening);
  return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening != 0;
}

bool IsConnection(int fd) {
  int type = 0;
  socklen_t size = sizeof(type);
  return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

void CloseAbove(int fd) { syscall(SYS_close_range, fd + 1, ~0U, 0); }

// Lets go of whatever the runtime left open: a pipe held here for ever would hang its other end.
void DropInheritedStdio() {
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = 0; fd < 3 && null >= 0; ++fd) dup2(null, fd);
}

// What PID 1 and helpers have in common: `socket` is what they serve.
void Prepare(int socket, char** environment, ProgramContext* context) {
  // No process of the sandbox may look into this one or take its descriptors.
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  fcntl(socket, F_SETFD, FD_CLOEXEC);
  fcntl(socket, F_SETFL, O_NONBLOCK);
  ResetSignals();
  umask(022);
  if (chdir("/") != 0) Die("init: no root directory\n");
  getrlimit(RLIMIT_NOFILE, &context->file_limit);
  struct rlimit raised = {context->file_limit.rlim_max, context->file_limit.rlim_max};
  setrlimit(RLIMIT_NOFILE, &raised);
  context->environment = environment;
  context->program_fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);
}

Server server;
ProgramContext server_context;

[[noreturn]] void RunInit(char** environment) {
  if (!IsListener(init_protocol::kListenFd)) {
    Die("init: descriptor 3 is not a listening socket; this program is the sandbox's PID 1\n");
  }
  DropInheritedStdio();
  CloseAbove(init_protocol::kListenFd);
  Prepare(init_protocol::kListenFd, environment, &server_context);
  // Only in tests it isn't PID 1; orphans of commands come to it all the same.
  if (getpid() != 1) prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  server.Run(init_protocol::kListenFd, server_context);
}

// Serves one command. `kills`: nobody else can end it with all that it started.
int RunHelper(bool kills, char** environment) {
  if (!IsConnection(init_protocol::kHelperFd)) {
    Die("init: descriptor 3 is not a connection of the agent\n");
  }
  CloseAbove(init_protocol::kHelperFd);
  Prepare(init_protocol::kHelperFd, environment, &server_context);
  // The terminal's keys are for the command, which shares it.
  constexpr int kKeys[] = {SIGINT, SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU, SIGHUP, SIGPIPE};
  for (int key : kKeys) signal(key, SIG_IGN);
  // What the command leaves behind stays below this process as long as that lives.
  if (kills) prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  const bool ended = server.RunOne(init_protocol::kHelperFd, server_context);
  if (!ended && kills) KillDescendants();
  return 0;
}

[[noreturn]] void RunReaper() {
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  DropInheritedStdio();
  CloseAbove(STDERR_FILENO);
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  sigprocmask(SIG_SETMASK, &child, nullptr);
  for (;;) {
    while (waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    // SIGCHLD is blocked, so one that came meanwhile ends the wait at once.
    int signal_number = 0;
    sigwait(&child, &signal_number);
  }
}

}  // namespace
}  // namespace paddock::nodeagent::program

int main(int argc, char** argv, char** environment) {
  using namespace paddock::nodeagent::program;
  namespace protocol = paddock::nodeagent::init_protocol;
  if (argc <= 1) RunInit(environment);
  if (argc == 2 && strcmp(argv[1], protocol::kReaper) == 0) RunReaper();
  if (argc == 2 && strcmp(argv[1], protocol::kHelper) == 0) return RunHelper(false, environment);
  if (argc == 2 && strcmp(argv[1], protocol::kHelperKills) == 0) {
    return RunHelper(true, environment);
  }
  return RunFileCommand(argc - 1, argv + 1);
}
