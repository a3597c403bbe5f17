// Runs inside a sandbox and reports what the kernel lets it do; static, so that it needs nothing of
// the sandbox's root file system.
//
//   probe calls     one line "<system call> <errno, 0 when it worked>" for each that is tried
//   probe euid      the effective user id
//   probe ptys      how many pseudo terminals can be open at once
//   probe eat N     touches N MiB and holds them
//   probe fork      forks until refused, prints how many children it got, and ends them
//
//   probe tcp HOST PORT OPERATION...         one connection, see dialogue.h
//   probe udp HOST PORT HEX                  one datagram: "answered", "no answer ERRNO", "unsent
//   ERRNO" probe look-up SERVER|- NAME TYPE udp|tcp "rcode R answers N ADDRESS"; -1: silence, -2:
//   refused probe look-up-raw HEX udp|tcp            the same for a packet of the caller's probe
//   ping ADDRESS                       an ICMP echo probe tricks                             one
//   line "<trick> <errno>" for each way around the network probe ip-options ADDRESS a datagram with
//   a source route probe hold HOST PORT COUNT MS            connections that say nothing: "open N",
//   then "left N"

#include <fcntl.h>
#include <linux/aio_abi.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "tests/privileged/probe/net_probe.h"

namespace {

void Report(const char* name, long result) { printf("%s %d\n", name, result < 0 ? errno : 0); }

// Forks with clone flags; the child, if there is one, ends at once.
long CloneWith(unsigned long flags) {
  const long pid = syscall(SYS_clone, flags | SIGCHLD, nullptr, nullptr, nullptr, nullptr);
  if (pid == 0) _exit(0);
  if (pid > 0) waitpid(static_cast<pid_t>(pid), nullptr, 0);
  return pid;
}

void TryCalls() {
  aio_context_t aio = 0;
  char buffer[256] = {};
  Report("unshare", syscall(SYS_unshare, CLONE_NEWUSER));
  Report("unshare-mount", syscall(SYS_unshare, CLONE_NEWNS));
  Report("setns", syscall(SYS_setns, 0, 0));
  Report("mount", syscall(SYS_mount, "none", "/tmp", "tmpfs", 0, nullptr));
  Report("umount2", syscall(SYS_umount2, "/proc", 2));
  Report("pivot_root", syscall(SYS_pivot_root, ".", "."));
  Report("open_tree", syscall(SYS_open_tree, AT_FDCWD, "/", 1));
  Report("fsopen", syscall(SYS_fsopen, "tmpfs", 0));
  Report("mount_setattr", syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, buffer, 32));
  Report("keyctl", syscall(SYS_keyctl, 0, -3, 0));
  Report("add_key", syscall(SYS_add_key, "user", "x", "y", 1, -3));
  Report("request_key", syscall(SYS_request_key, "user", "x", nullptr, -3));
  Report("bpf", syscall(SYS_bpf, 0, buffer, sizeof buffer));
  Report("perf_event_open", syscall(SYS_perf_event_open, buffer, 0, -1, -1, 0));
  Report("userfaultfd", syscall(SYS_userfaultfd, 1));
  Report("io_uring_setup", syscall(SYS_io_uring_setup, 1, buffer));
  Report("io_setup", syscall(SYS_io_setup, 1, &aio));
  Report("open_by_handle_at", syscall(SYS_open_by_handle_at, AT_FDCWD, buffer, 0));
  Report("chroot", syscall(SYS_chroot, "/"));
  Report("swapon", syscall(SYS_swapon, "/x", 0));
  Report("reboot", syscall(SYS_reboot, 0, 0, 0, nullptr));
  Report("init_module", syscall(SYS_init_module, buffer, 0, ""));
  Report("kexec_load", syscall(SYS_kexec_load, 0, 0, nullptr, 0));
  Report("syslog", syscall(SYS_syslog, 3, buffer, sizeof buffer));
  Report("clone3", syscall(SYS_clone3, buffer, 64));
  Report("clone-newuser", CloneWith(CLONE_NEWUSER));
  Report("clone-newnet", CloneWith(CLONE_NEWNET));
  Report("clone-plain", CloneWith(0));
  Report("socket-vsock", socket(40, SOCK_STREAM, 0));
  Report("socket-alg", socket(38, SOCK_SEQPACKET, 0));
  Report("socket-packet", socket(17, SOCK_RAW, 0));
  Report("socket-raw", socket(AF_INET, SOCK_RAW, 1));
  Report("socket-inet", socket(AF_INET, SOCK_STREAM, 0));
  Report("socket-unix", socket(AF_UNIX, SOCK_STREAM, 0));
  Report("personality-randomize", syscall(SYS_personality, 0x0040000));
  Report("personality-read", syscall(SYS_personality, 0xffffffff));
  Report("ptrace", syscall(SYS_ptrace, 0, 0, 0, 0));
  Report("mknod-disk", syscall(SYS_mknod, "/tmp/disk", 0060600, 0x0800));
}

void CountPtys() {
  int count = 0;
  while (open("/dev/ptmx", O_RDWR | O_NOCTTY) >= 0) ++count;
  printf("%d\n", count);
}

void Eat(size_t mib) {
  for (size_t i = 0; i < mib; ++i) {
    void* page = mmap(nullptr, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) _exit(3);
    memset(page, 1, 1 << 20);
  }
}

void CountForks() {
  std::vector<pid_t> children;
  while (true) {
    const pid_t pid = fork();
    if (pid == 0) {
      pause();
      _exit(0);
    }
    if (pid < 0) break;
    children.push_back(pid);
  }
  printf("%zu\n", children.size());
  for (pid_t pid : children) kill(pid, SIGKILL);
  for (pid_t pid : children) waitpid(pid, nullptr, 0);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  const char* what = argv[1];
  if (strcmp(what, "calls") == 0) TryCalls();
  if (strcmp(what, "euid") == 0) printf("%u\n", geteuid());
  if (strcmp(what, "ptys") == 0) CountPtys();
  if (strcmp(what, "eat") == 0 && argc > 2) Eat(strtoul(argv[2], nullptr, 10));
  if (strcmp(what, "fork") == 0) CountForks();
  RunNetworkCommand(argc, argv);
  return 0;
}
