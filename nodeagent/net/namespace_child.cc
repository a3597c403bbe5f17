#include "nodeagent/net/namespace_child.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "nodeagent/system/errno_status.h"
#include "nodeagent/system/file.h"

namespace paddock::nodeagent {
namespace {

// Children make system calls only. Used in turn: one that is being killed may still be on its stack
// when the next is made.
constexpr int kStacks = 8;
alignas(16) char child_stacks[kStacks][8 * 1024];
int next_stack = 0;

// Gives the calling thread `id` as effective user and group, with all its capabilities still in
// effect: changing the uid would drop them.
absl::Status BecomeEffective(uint32_t id) {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[2] = {};
  if (syscall(SYS_setresgid, -1, id, -1) < 0 || syscall(SYS_setresuid, -1, id, -1) < 0 ||
      syscall(SYS_capget, &header, sets) < 0) {
    return ErrnoStatus("changing the effective user");
  }
  for (__user_cap_data_struct& set : sets) set.effective = set.permitted;
  if (syscall(SYS_capset, &header, sets) < 0) return ErrnoStatus("keeping capabilities");
  return absl::OkStatus();
}

// Holds the namespaces until it is killed, also when the maker dies first.
int HoldNamespaces(void* parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  // It died before. (In a new user namespace, but in the same pid namespace.)
  if (getppid() != *static_cast<pid_t*>(parent)) _exit(0);
  while (true) pause();
}

absl::StatusOr<UniqueFd> OpenOf(pid_t pid, const char* what) {
  std::string path = absl::StrCat("/proc/", pid, "/ns/", what);
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(absl::StrCat("opening ", path));
  return fd;
}

absl::StatusOr<PairFds> MapAndOpen(pid_t pid, uint32_t uid_base) {
  std::string map = absl::StrCat("0 ", uid_base, " 65536\n");
  PADDOCK_RETURN_IF_ERROR(WriteControlFile(absl::StrCat("/proc/", pid, "/uid_map"), map));
  PADDOCK_RETURN_IF_ERROR(WriteControlFile(absl::StrCat("/proc/", pid, "/gid_map"), map));
  PairFds fds;
  PADDOCK_ASSIGN_OR_RETURN(fds.userns, OpenOf(pid, "user"));
  PADDOCK_ASSIGN_OR_RETURN(fds.netns, OpenOf(pid, "net"));
  return fds;
}

}  // namespace

absl::StatusOr<PairFds> MakeNamespaces(uint32_t uid_base) {
  pid_t self = getpid();
  absl::Status changed = BecomeEffective(uid_base);
  pid_t child = -1;
  int error = 0;
  if (changed.ok()) {
    // Sharing the memory and the descriptors saves copying them.
    char* stack = child_stacks[next_stack++ % kStacks];
    child = clone(HoldNamespaces, stack + sizeof(child_stacks[0]),
                  CLONE_VM | CLONE_FILES | CLONE_NEWUSER | CLONE_NEWNET | SIGCHLD, &self);
    error = errno;
  }
  absl::Status restored = BecomeEffective(0);
  absl::StatusOr<PairFds> fds = absl::InternalError("");
  if (child > 0) {
    fds = restored.ok() ? MapAndOpen(child, uid_base) : restored;
    kill(child, SIGKILL);  // Reaped by the kernel: SIGCHLD is ignored.
  }
  PADDOCK_RETURN_IF_ERROR(changed);
  PADDOCK_RETURN_IF_ERROR(restored);
  if (child < 0) return ErrnoStatus(error, "making a namespace pair");
  return fds;
}

}  // namespace paddock::nodeagent
