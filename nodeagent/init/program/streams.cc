#include "nodeagent/init/program/streams.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace paddock::nodeagent::program {
namespace {

// The read end first.
int MakePipe(int* reader, int* writer) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return errno;
  *reader = ends[0];
  *writer = ends[1];
  return 0;
}

// /dev is the sandbox's to change, the devpts below it isn't.
int OpenMaster() {
  constexpr int kFlags = O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK;
  int master = open("/dev/pts/ptmx", kFlags);
  return master >= 0 ? master : open("/dev/ptmx", kFlags);
}

}  // namespace

int MakePipes(Streams* streams) {
  streams->agent_count = 3;
  int error = MakePipe(&streams->own[0], &streams->agent[0]);
  if (error == 0) error = MakePipe(&streams->agent[1], &streams->own[1]);
  if (error == 0) error = MakePipe(&streams->agent[2], &streams->own[2]);
  return error;
}

int MakeTerminal(uint16_t rows, uint16_t columns, Streams* streams) {
  int master = OpenMaster();
  if (master < 0) return errno;
  int unlock = 0;
  if (ioctl(master, TIOCSPTLCK, &unlock) != 0) return errno;
  int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (slave < 0) return errno;
  struct winsize size = {rows, columns, 0, 0};
  if (ioctl(master, TIOCSWINSZ, &size) != 0) return errno;
  if (ioctl(slave, TIOCSCTTY, 0) != 0) return errno;
  streams->own[0] = streams->own[1] = streams->own[2] = slave;
  streams->agent[0] = master;
  streams->agent_count = 1;
  return 0;
}

void UseInherited(Streams* streams) {
  for (int i = 0; i < 3; ++i) streams->own[i] = i;
  streams->agent_count = 0;
}

void TakeForeground() {
  // A background process that asks is stopped by SIGTTOU otherwise.
  signal(SIGTTOU, SIG_IGN);
  tcsetpgrp(STDIN_FILENO, getpid());
}

int GiveStreams(const Streams& streams, uid_t owner) {
  // What this process has made is its own already.
  if (owner == geteuid()) return 0;
  for (int fd : streams.own) {
    if (fchown(fd, owner, static_cast<gid_t>(-1)) != 0) return errno;
  }
  return 0;
}

}  // namespace paddock::nodeagent::program
