#include "nodeagent/init/program/descendants.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

namespace paddock::nodeagent::program {
namespace {

constexpr int kMaxProcesses = 8192;
constexpr int kMaxRounds = 1000;
constexpr long kPauseNanoseconds = 2 * 1000000L;

struct Process {
  pid_t pid;
  pid_t parent;
  bool descends;
};

// The parent of the process in the directory `name` of /proc; -1 when that is none, or is gone.
pid_t ParentOf(int proc, const char* name) {
  char path[64];
  char text[512];
  if (strlen(name) > 16) return -1;
  strcpy(path, name);
  strcat(path, "/stat");
  int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  ssize_t size = read(fd, text, sizeof(text) - 1);
  close(fd);
  if (size <= 0) return -1;
  text[size] = '\0';
  // "pid (name) state ppid …"; the name may hold anything.
  const char* end = strrchr(text, ')');
  if (end == nullptr || strlen(end) < 5) return -1;
  return static_cast<pid_t>(strtol(end + 4, nullptr, 10));
}

int ReadProcesses(Process* processes) {
  DIR* proc = opendir("/proc");
  if (proc == nullptr) return 0;
  int count = 0;
  while (struct dirent* entry = readdir(proc)) {
    pid_t pid = static_cast<pid_t>(strtol(entry->d_name, nullptr, 10));
    if (pid <= 0 || count == kMaxProcesses) continue;
    processes[count++] = {pid, ParentOf(dirfd(proc), entry->d_name), false};
  }
  closedir(proc);
  return count;
}

// Marks children of what is marked until there are no more.
void MarkDescendants(Process* processes, int count) {
  pid_t self = getpid();
  for (bool more = true; more;) {
    more = false;
    for (int i = 0; i < count; ++i) {
      if (processes[i].descends) continue;
      bool descends = processes[i].parent == self;
      for (int j = 0; j < count && !descends; ++j) {
        descends = processes[j].descends && processes[j].pid == processes[i].parent;
      }
      processes[i].descends = descends;
      more = more || descends;
    }
  }
}

}  // namespace

void KillDescendants() {
  static Process processes[kMaxProcesses];
  for (int round = 0; round < kMaxRounds; ++round) {
    int count = ReadProcesses(processes);
    MarkDescendants(processes, count);
    for (int i = 0; i < count; ++i) {
      if (processes[i].descends) kill(processes[i].pid, SIGKILL);
    }
    while (waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    if (waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD) return;
    struct timespec pause = {0, kPauseNanoseconds};
    nanosleep(&pause, nullptr);
  }
}

}  // namespace paddock::nodeagent::program
