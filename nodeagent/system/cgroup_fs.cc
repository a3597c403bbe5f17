#include "nodeagent/system/cgroup_fs.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <memory>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/clock.h"
#include "common/status_macros.h"
#include "nodeagent/system/errno_status.h"
#include "nodeagent/system/file.h"
#include "nodeagent/system/pidfd.h"
#include "nodeagent/system/unique_fd.h"

namespace paddock::nodeagent {
namespace {

// The kernel tells nobody when a dying task has left a v1 cgroup or a v1 freezer is done, so these
// waits look again after a pause.
constexpr absl::Duration kFirstPause = absl::Microseconds(100);
constexpr absl::Duration kLongestPause = absl::Milliseconds(5);

class Deadline {
 public:
  explicit Deadline(absl::Duration timeout) : end_(Clock::Real()->Monotonic() + timeout) {}
  absl::Duration Left() const { return end_ - Clock::Real()->Monotonic(); }
  bool Passed() const { return Left() <= absl::ZeroDuration(); }

 private:
  absl::Duration end_;
};

class Backoff {
 public:
  void Pause() {
    timespec request = absl::ToTimespec(pause_);
    nanosleep(&request, nullptr);
    pause_ = std::min(2 * pause_, kLongestPause);
  }

 private:
  absl::Duration pause_ = kFirstPause;
};

bool Removed(const std::string& dir) { return rmdir(dir.c_str()) == 0 || errno == ENOENT; }

void SignalAll(const std::vector<pid_t>& pids) {
  for (pid_t pid : pids) kill(pid, SIGKILL);
}

// Waits until one of the processes has ended, at most for `longest`.
void AwaitOneExit(pid_t pid, absl::Duration longest) {
  absl::StatusOr<UniqueFd> pidfd = PidfdOpen(pid);
  if (!pidfd.ok()) return;
  pollfd p = {pidfd->get(), POLLIN, 0};
  const int64_t ms = absl::ToInt64Milliseconds(longest);
  poll(&p, 1, static_cast<int>(std::clamp<int64_t>(ms, 1, 100)));
}

absl::Status StillPopulated(const std::string& dir, absl::Duration timeout) {
  return absl::DeadlineExceededError(
      absl::StrCat("processes are left in ", dir, " after ", absl::FormatDuration(timeout)));
}

// Freezes `dir` with all its children; once it is frozen nobody is in the middle of a fork.
void Freeze(const std::string& dir, const Deadline& deadline) {
  Backoff backoff;
  while (!deadline.Passed()) {
    if (!WriteControlFile(absl::StrCat(dir, "/freezer.state"), "FROZEN").ok()) return;
    absl::StatusOr<std::string> state = ReadFile(absl::StrCat(dir, "/freezer.state"));
    if (!state.ok() || absl::StartsWith(*state, "FROZEN")) return;
    backoff.Pause();
  }
}

void KillFrozen(const std::string& dir, const Deadline& deadline) {
  Freeze(dir, deadline);
  if (absl::StatusOr<std::vector<pid_t>> pids = ReadCgroupProcesses(dir); pids.ok()) {
    SignalAll(*pids);
  }
  // They die as they thaw, before they run anything of their own.
  WriteControlFile(absl::StrCat(dir, "/freezer.state"), "THAWED").IgnoreError();
}

}  // namespace

absl::Status MakeCgroup(const std::string& dir) {
  if (mkdir(dir.c_str(), 0755) == 0) return absl::OkStatus();
  if (errno == EEXIST) {
    if (!RemoveCgroup(dir, absl::ZeroDuration()).ok()) {
      return absl::AlreadyExistsError(absl::StrCat(dir, " is there and in use"));
    }
    if (mkdir(dir.c_str(), 0755) == 0) return absl::OkStatus();
  }
  return ErrnoStatus(absl::StrCat("mkdir ", dir));
}

absl::Status RemoveCgroup(const std::string& dir, absl::Duration timeout) {
  const Deadline deadline(timeout);
  Backoff backoff;
  while (!Removed(dir)) {
    if (errno != EBUSY) return ErrnoStatus(absl::StrCat("rmdir ", dir));
    PADDOCK_ASSIGN_OR_RETURN(const std::vector<std::string> children, ListCgroups(dir));
    for (const std::string& child : children) {
      PADDOCK_RETURN_IF_ERROR(RemoveCgroup(absl::StrCat(dir, "/", child), deadline.Left()));
    }
    if (Removed(dir)) break;
    if (deadline.Passed()) {
      return absl::FailedPreconditionError(absl::StrCat(dir, " is in use"));
    }
    backoff.Pause();
  }
  return absl::OkStatus();
}

absl::Status EnterCgroup(const std::string& mount_point, const std::string& path) {
  std::string dir = mount_point;
  for (absl::string_view part : absl::StrSplit(path, '/', absl::SkipEmpty())) {
    const std::string parent = dir;
    absl::StrAppend(&dir, "/", part);
    if (mkdir(dir.c_str(), 0755) != 0 && errno != EEXIST) {
      return ErrnoStatus(absl::StrCat("mkdir ", dir));
    }
    for (const char* file : {"/cpuset.cpus", "/cpuset.mems"}) {
      absl::StatusOr<std::string> own = ReadFile(dir + file);
      if (!own.ok() || own->find_first_not_of(" \n") != std::string::npos) continue;
      PADDOCK_ASSIGN_OR_RETURN(const std::string inherited, ReadFile(parent + file));
      // On v2 an empty set means the parent's, and the parent may have none of its own either.
      if (inherited.find_first_not_of(" \n") == std::string::npos) continue;
      PADDOCK_RETURN_IF_ERROR(WriteControlFile(dir + file, inherited));
    }
  }
  return WriteControlFile(dir + "/cgroup.procs", "0");
}

absl::StatusOr<std::vector<std::string>> ListCgroups(const std::string& dir) {
  std::unique_ptr<DIR, int (*)(DIR*)> stream(opendir(dir.c_str()), &closedir);
  std::vector<std::string> names;
  if (stream == nullptr) {
    if (errno == ENOENT) return names;
    return ErrnoStatus(absl::StrCat("opendir ", dir));
  }
  while (const dirent* entry = readdir(stream.get())) {
    if (entry->d_type == DT_DIR && entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<std::vector<pid_t>> ReadCgroupProcesses(const std::string& dir) {
  std::vector<pid_t> pids;
  absl::StatusOr<std::string> text = ReadFile(absl::StrCat(dir, "/cgroup.procs"));
  if (!text.ok()) {
    const bool gone = absl::IsNotFound(text.status());
    return gone ? absl::StatusOr<std::vector<pid_t>>(pids) : text.status();
  }
  for (absl::string_view line : absl::StrSplit(*text, '\n', absl::SkipEmpty())) {
    pid_t pid = 0;
    // 0: a process of a pid namespace that we can't see into.
    if (absl::SimpleAtoi(line, &pid) && pid > 0) pids.push_back(pid);
  }
  PADDOCK_ASSIGN_OR_RETURN(const std::vector<std::string> children, ListCgroups(dir));
  for (const std::string& child : children) {
    absl::StatusOr<std::vector<pid_t>> below = ReadCgroupProcesses(absl::StrCat(dir, "/", child));
    if (below.ok()) pids.insert(pids.end(), below->begin(), below->end());
  }
  return pids;
}

absl::Status KillCgroupV2(const std::string& dir, absl::Duration timeout) {
  const Deadline deadline(timeout);
  UniqueFd events(open(absl::StrCat(dir, "/cgroup.events").c_str(), O_RDONLY | O_CLOEXEC));
  if (!events.valid()) {
    return errno == ENOENT ? absl::OkStatus() : ErrnoStatus(absl::StrCat("open ", dir));
  }
  while (true) {
    char text[256];
    const ssize_t n = pread(events.get(), text, sizeof text, 0);
    if (n < 0) return errno == ENODEV ? absl::OkStatus() : ErrnoStatus("read cgroup.events");
    if (absl::string_view(text, static_cast<size_t>(n)).find("populated 0") !=
        absl::string_view::npos) {
      return absl::OkStatus();
    }
    if (deadline.Passed()) return StillPopulated(dir, timeout);
    const absl::Status killed = WriteControlFile(absl::StrCat(dir, "/cgroup.kill"), "1");
    if (absl::IsNotFound(killed)) return absl::OkStatus();
    PADDOCK_RETURN_IF_ERROR(killed);
    pollfd changed = {events.get(), POLLPRI, 0};
    const int64_t ms = absl::ToInt64Milliseconds(deadline.Left());
    poll(&changed, 1, static_cast<int>(std::clamp<int64_t>(ms, 1, 1000)));
  }
}

absl::Status KillCgroupV1(const std::string& dir, absl::Duration timeout) {
  const Deadline deadline(timeout);
  // Without the freezer first: the first processes of a cgroup often take all others with them, as
  // PID 1 of a sandbox does.
  PADDOCK_ASSIGN_OR_RETURN(std::vector<pid_t> pids, ReadCgroupProcesses(dir));
  SignalAll(pids);
  for (bool again = false; !pids.empty(); again = true) {
    if (deadline.Passed()) return StillPopulated(dir, timeout);
    if (again) KillFrozen(dir, deadline);
    AwaitOneExit(pids.front(), deadline.Left());
    PADDOCK_ASSIGN_OR_RETURN(pids, ReadCgroupProcesses(dir));
  }
  return absl::OkStatus();
}

int64_t ReadCgroupCounter(const std::string& file, absl::string_view key, int64_t absent) {
  absl::StatusOr<std::string> text = ReadFile(file);
  if (!text.ok()) return absent;
  for (absl::string_view line : absl::StrSplit(*text, '\n', absl::SkipEmpty())) {
    int64_t value = 0;
    if (absl::ConsumePrefix(&line, key) && absl::ConsumePrefix(&line, " ") &&
        absl::SimpleAtoi(line, &value)) {
      return value;
    }
  }
  return absent;
}

int64_t ReadCgroupNumber(const std::string& file, int64_t absent) {
  absl::StatusOr<std::string> text = ReadFile(file);
  int64_t value = 0;
  return text.ok() && absl::SimpleAtoi(*text, &value) ? value : absent;
}

absl::Status FavorDynamicModifications(const std::string& mount_point) {
  UniqueFd fs(fspick(AT_FDCWD, mount_point.c_str(), FSPICK_CLOEXEC));
  if (!fs.valid()) return ErrnoStatus(absl::StrCat("fspick ", mount_point));
  // A reconfiguration starts from nothing, so the options that are on are named again.
  PADDOCK_ASSIGN_OR_RETURN(const std::string mounts, ReadFile("/proc/self/mounts"));
  for (absl::string_view line : absl::StrSplit(mounts, '\n', absl::SkipEmpty())) {
    const std::vector<std::string> fields = absl::StrSplit(line, ' ');
    if (fields.size() < 4 || fields[1] != mount_point) continue;
    for (const char* option : {"nsdelegate", "memory_localevents", "memory_recursiveprot",
                               "memory_hugetlb_accounting", "pids_localevents"}) {
      if (absl::StrContains(absl::StrCat(",", fields[3], ","), absl::StrCat(",", option, ",")) &&
          fsconfig(fs.get(), FSCONFIG_SET_FLAG, option, nullptr, 0) != 0) {
        return ErrnoStatus(absl::StrCat("cgroup2 ", option));
      }
    }
  }
  if (fsconfig(fs.get(), FSCONFIG_SET_FLAG, "favordynmods", nullptr, 0) != 0 ||
      fsconfig(fs.get(), FSCONFIG_CMD_RECONFIGURE, nullptr, nullptr, 0) != 0) {
    return ErrnoStatus("cgroup2 favordynmods");
  }
  return absl::OkStatus();
}

}  // namespace paddock::nodeagent
