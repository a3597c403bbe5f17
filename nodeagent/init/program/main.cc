// The program of a sandbox: without arguments its PID 1 (protocol.h), with them one of the file
// commands (file_protocol.h). Static, without the C++ runtime, a few pages of memory.

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

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

// Lets go of whatever the runtime left open: a pipe held here for ever would hang its other end.
void DropInheritedDescriptors() {
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = 0; fd < 3 && null >= 0; ++fd) dup2(null, fd);
  syscall(SYS_close_range, init_protocol::kListenFd + 1, ~0U, 0);
}

// Signal dispositions are inherited; commands start with the default ones.
void ResetSignals() {
  for (int signal_number = 1; signal_number < NSIG; ++signal_number) {
    signal(signal_number, SIG_DFL);
  }
}

[[noreturn]] void RunInit(char** environment) {
  static Server server;
  static ProgramContext context;
  if (!IsListener(init_protocol::kListenFd)) {
    Die("init: descriptor 3 is not a listening socket; this program is the sandbox's PID 1\n");
  }
  // No process of the sandbox may look into this one or take its descriptors.
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  fcntl(init_protocol::kListenFd, F_SETFD, FD_CLOEXEC);
  fcntl(init_protocol::kListenFd, F_SETFL, O_NONBLOCK);
  DropInheritedDescriptors();
  ResetSignals();
  umask(022);
  if (chdir("/") != 0) Die("init: no root directory\n");
  // Only in tests it isn't PID 1; orphans of commands come to it all the same.
  if (getpid() != 1) prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  getrlimit(RLIMIT_NOFILE, &context.file_limit);
  struct rlimit raised = {context.file_limit.rlim_max, context.file_limit.rlim_max};
  setrlimit(RLIMIT_NOFILE, &raised);
  context.environment = environment;
  context.program_fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);
  server.Run(init_protocol::kListenFd, context);
}

}  // namespace
}  // namespace paddock::nodeagent::program

int main(int argc, char** argv, char** environment) {
  using namespace paddock::nodeagent::program;
  if (argc <= 1) RunInit(environment);
  return RunFileCommand(argc - 1, argv + 1);
}
