#include "nodeagent/init/program/execute.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "nodeagent/init/program/environment.h"
#include "nodeagent/init/protocol.h"

namespace paddock::nodeagent::program {
namespace {

constexpr char kDefaultPath[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// Tries `name` in every directory of `path`; the errno that says most when none works.
int ExecuteFromPath(const char* path, char* const* arguments, char* const* environment) {
  const char* name = arguments[0];
  size_t name_length = strlen(name);
  if (name_length == 0 || name_length > NAME_MAX) return ENOENT;
  int result = ENOENT;
  static char candidate[PATH_MAX + NAME_MAX + 2];
  for (;;) {
    size_t length = strcspn(path, ":");
    if (length < PATH_MAX) {
      memcpy(candidate, path, length);
      if (length > 0) candidate[length] = '/';
      memcpy(candidate + length + (length > 0 ? 1 : 0), name, name_length + 1);
      execve(candidate, arguments, environment);
      if (errno == EACCES) result = EACCES;
      if (errno != EACCES && errno != ENOENT && errno != ENOTDIR) return errno;
    }
    if (path[length] == '\0') return result;
    path += length + 1;
  }
}

int TryExecute(char* const* arguments, char* const* environment, int program_fd) {
  if (strcmp(arguments[0], init_protocol::kProgramPath) == 0) {
    syscall(SYS_execveat, program_fd, "", arguments, environment, AT_EMPTY_PATH);
    return errno;
  }
  if (strchr(arguments[0], '/') != nullptr) {
    execve(arguments[0], arguments, environment);
    return errno;
  }
  const char* path = FindVariable(environment, "PATH");
  return ExecuteFromPath(path != nullptr ? path : kDefaultPath, arguments, environment);
}

struct iovec Text(const char* text) {
  return {const_cast<char*>(text), strlen(text)};
}

}  // namespace

void Execute(char* const* arguments, char* const* environment, int program_fd) {
  int error = TryExecute(arguments, environment, program_fd);
  bool not_found = error == ENOENT || error == ENOTDIR;
  struct iovec line[] = {Text("exec: "), Text(arguments[0]), Text(": "),
                         Text(not_found ? "command not found" : strerror(error)), Text("\n")};
  [[maybe_unused]] ssize_t written = writev(STDERR_FILENO, line, 5);
  _exit(not_found ? 127 : 126);
}

}  // namespace paddock::nodeagent::program
