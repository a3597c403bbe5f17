#include "nodeagent/system/pidfd.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/clock.h"
#include "common/status_macros.h"
#include "nodeagent/system/errno_status.h"
#include "nodeagent/system/file.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

namespace paddock::nodeagent {
namespace {

// struct pidfd_info of <linux/pidfd.h>, Linux 6.15, first published size; Debian 12's headers are
// older.
struct PidfdInfo {
  uint64_t mask;
  uint64_t cgroup_id;
  uint32_t pid, tgid, ppid, ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
  int32_t exit_code;
};
static_assert(sizeof(PidfdInfo) == 64);
constexpr unsigned long kPidfdGetInfo = _IOWR(0xFF, 11, PidfdInfo);
constexpr uint64_t kPidfdInfoExit = 1 << 3;

// How long the process's own parent may take to reap it; the kernel publishes the status then.
constexpr int kReapWaitMs = 200;

std::optional<ExitStatus> FromWaitStatus(int status) {
  ExitStatus exit;
  if (WIFEXITED(status)) exit.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) exit.signal = WTERMSIG(status);
  return exit;
}

ExitStatus FromSigInfo(const siginfo_t& info) {
  ExitStatus exit;
  if (info.si_code == CLD_EXITED) {
    exit.exit_code = info.si_status;
  } else {
    exit.signal = info.si_status;
  }
  return exit;
}

std::optional<ExitStatus> AskKernel(int pidfd) {
  for (int attempt = 0; attempt < 2; ++attempt) {
    PidfdInfo info = {};
    info.mask = kPidfdInfoExit;
    if (ioctl(pidfd, kPidfdGetInfo, &info) != 0 && errno != ESRCH) return std::nullopt;
    if (info.mask & kPidfdInfoExit) return FromWaitStatus(info.exit_code);
    pollfd reaped = {pidfd, 0, 0};  // POLLHUP alone: it has been reaped.
    if (poll(&reaped, 1, kReapWaitMs) <= 0) return std::nullopt;
  }
  return std::nullopt;
}

struct ProcessStat {
  std::string comm;
  std::string state;
  pid_t session = 0;
  uint64_t start_time = 0;
};

absl::StatusOr<ProcessStat> ReadStat(pid_t pid) {
  PADDOCK_ASSIGN_OR_RETURN(const std::string text,
                           ReadFile(absl::StrCat("/proc/", pid, "/stat"), 4096));
  // The command's name (field 2, in parentheses) may hold anything, so the rest is counted from
  // the last parenthesis.
  const size_t begin = text.find('(');
  const size_t end = text.rfind(')');
  if (begin == std::string::npos || end == std::string::npos) {
    return absl::InternalError("malformed /proc/<pid>/stat");
  }
  const std::vector<std::string> fields =
      absl::StrSplit(absl::string_view(text).substr(end + 1), ' ', absl::SkipEmpty());
  ProcessStat stat;
  stat.comm = text.substr(begin + 1, end - begin - 1);
  constexpr size_t kFirst = 3;  // Fields are numbered from 1 in proc(5).
  if (fields.size() <= 22 - kFirst || !absl::SimpleAtoi(fields[6 - kFirst], &stat.session) ||
      !absl::SimpleAtoi(fields[22 - kFirst], &stat.start_time)) {
    return absl::InternalError("malformed /proc/<pid>/stat");
  }
  stat.state = fields[0];
  return stat;
}

// Polls until readable; false past the deadline.
bool PollUntil(int fd, absl::Duration timeout) {
  const absl::Duration deadline = Clock::Real()->Monotonic() + timeout;
  while (true) {
    const absl::Duration left = deadline - Clock::Real()->Monotonic();
    pollfd p = {fd, POLLIN, 0};
    const int64_t ms = absl::ToInt64Milliseconds(absl::Ceil(left, absl::Milliseconds(1)));
    const int n = poll(&p, 1, static_cast<int>(std::clamp<int64_t>(ms, 0, 1 << 30)));
    if (n > 0) return true;
    if (n == 0 && left <= absl::ZeroDuration()) return false;
    if (n < 0 && errno != EINTR) return false;
  }
}

}  // namespace

absl::StatusOr<UniqueFd> PidfdOpen(pid_t pid) {
  UniqueFd fd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!fd.valid()) return ErrnoStatus(absl::StrCat("pidfd_open ", pid));
  return fd;
}

absl::StatusOr<uint64_t> ProcessStartTime(pid_t pid) {
  PADDOCK_ASSIGN_OR_RETURN(const ProcessStat stat, ReadStat(pid));
  return stat.start_time;
}

void ReapOrphans(const std::set<pid_t>& known, const std::set<std::string>& comms) {
  // Orphans fall to the main thread.
  const absl::StatusOr<std::string> children =
      ReadFile(absl::StrCat("/proc/self/task/", getpid(), "/children"));
  if (!children.ok()) return;
  for (absl::string_view word : absl::StrSplit(*children, ' ', absl::SkipEmpty())) {
    pid_t pid = 0;
    if (!absl::SimpleAtoi(word, &pid) || known.count(pid) > 0) continue;
    const absl::StatusOr<ProcessStat> stat = ReadStat(pid);
    if (!stat.ok() || stat->state != "Z" || stat->session == pid || comms.count(stat->comm) == 0) {
      continue;
    }
    siginfo_t info = {};
    waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG);
  }
}

absl::StatusOr<UniqueFd> PidfdOpenChecked(pid_t pid, uint64_t start_time) {
  PADDOCK_ASSIGN_OR_RETURN(UniqueFd fd, PidfdOpen(pid));
  // Read after opening: if it is that process now, the descriptor is of that process.
  PADDOCK_ASSIGN_OR_RETURN(const uint64_t actual, ProcessStartTime(pid));
  if (actual != start_time) {
    return absl::NotFoundError(absl::StrCat("process ", pid, " is another one by now"));
  }
  return fd;
}

absl::Status PidfdKill(int pidfd, int signal) {
  if (syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0) != 0 && errno != ESRCH) {
    return ErrnoStatus("pidfd_send_signal");
  }
  return absl::OkStatus();
}

bool PidfdExited(int pidfd) {
  pollfd p = {pidfd, POLLIN, 0};
  return poll(&p, 1, 0) > 0;
}

absl::StatusOr<ExitStatus> WaitForExit(int pidfd, absl::Duration timeout) {
  if (!PollUntil(pidfd, timeout)) {
    return absl::DeadlineExceededError(
        absl::StrCat("the process didn't end within ", absl::FormatDuration(timeout)));
  }
  siginfo_t info = {};
  while (waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(pidfd), &info, WEXITED) != 0) {
    if (errno != EINTR) return ErrnoStatus("waitid");
  }
  return FromSigInfo(info);
}

std::optional<ExitStatus> TakeExitStatus(int pidfd) {
  siginfo_t info = {};
  if (waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(pidfd), &info, WEXITED | WNOHANG) ==
          0 &&
      info.si_pid != 0) {
    return FromSigInfo(info);
  }
  return AskKernel(pidfd);
}

absl::Status BecomeSubreaper() {
  if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) {
    return ErrnoStatus("prctl(PR_SET_CHILD_SUBREAPER)");
  }
  return absl::OkStatus();
}

}  // namespace paddock::nodeagent
