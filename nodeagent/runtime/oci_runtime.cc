#include "nodeagent/runtime/oci_runtime.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/status_macros.h"
#include "nodeagent/system/append_file.h"
#include "nodeagent/system/cgroup_fs.h"
#include "nodeagent/system/file.h"
#include "nodeagent/system/subprocess.h"
#include "nodeagent/system/unix_socket.h"

namespace paddock::nodeagent {
namespace {

constexpr size_t kLogTail = 2000;
constexpr rlim_t kMaxOpenFiles = 1'048'576;
// The number under which PID 1 finds its listening socket: the first after standard error.
constexpr int kListenFd = 3;

std::string LogFile(const ContainerSpec& spec) { return absl::StrCat(spec.bundle_dir, "/log"); }
std::string StderrFile(const ContainerSpec& spec) { return absl::StrCat(spec.bundle_dir, "/err"); }
std::string PidFile(const ContainerSpec& spec) { return absl::StrCat(spec.bundle_dir, "/pid"); }

std::string OwnDescriptor(int fd) { return absl::StrCat("/proc/", getpid(), "/fd/", fd); }

absl::StatusCode CodeOf(absl::string_view log, const absl::StatusOr<CgroupUsage>& usage) {
  if (usage.ok() && (usage->oom_kills > 0 || usage->pids_refused > 0)) {
    return absl::StatusCode::kResourceExhausted;
  }
  for (absl::string_view text : {"No space left on device", "Disk quota exceeded",
                                 "Cannot allocate memory", "Resource temporarily unavailable"}) {
    if (absl::StrContains(log, text)) return absl::StatusCode::kResourceExhausted;
  }
  return absl::StatusCode::kInternal;
}

}  // namespace

absl::Status OciRuntime::WriteConfig(const ContainerSpec& spec) const {
  ConfigContext context;
  context.rootfs = shared_->launchers->rootfs();
  context.init_path = shared_->init_path;
  if (!flavor_.makes_user_namespace) context.userns_path = OwnDescriptor(spec.userns_fd);
  context.netns_path = OwnDescriptor(spec.netns_fd);
  context.mount_cgroup = shared_->mount_cgroup;
  context.name_id_mappings = flavor_.names_id_mappings;
  context.init_serves = flavor_.takes_socket;
  if (flavor_.takes_bpf) {
    context.seccomp_bpf_base64 = shared_->seccomp_bpf_base64;
  } else if (!flavor_.filters_itself) {
    context.seccomp_profile = shared_->seccomp_profile;
  }
  if (!flavor_.leaves_cgroups_alone) {
    context.cgroups_path = shared_->cgroups->PathInHierarchy(spec.cgroup);
  }
  return WriteFile(absl::StrCat(spec.bundle_dir, "/config.json"),
                   BuildConfigJson(spec, context).dump());
}

absl::StatusOr<RunningContainer> OciRuntime::ReadContainer(const std::string& pid_file) const {
  PADDOCK_ASSIGN_OR_RETURN(const std::string text, ReadFile(pid_file, 64));
  RunningContainer container;
  if (!absl::SimpleAtoi(text, &container.pid) || container.pid <= 0) {
    return absl::InternalError(absl::StrCat(flavor_.name, " wrote no pid"));
  }
  PADDOCK_ASSIGN_OR_RETURN(container.start_time, ProcessStartTime(container.pid));
  return container;
}

absl::Status OciRuntime::Failure(const ContainerSpec& spec, const std::string& log_file,
                                 const ExitStatus& exit) const {
  std::string log = ReadFile(log_file).value_or("");
  if (log.empty() && flavor_.fails_on_stderr) log = ReadFile(StderrFile(spec)).value_or("");
  if (log.size() > kLogTail) log.erase(0, log.size() - kLogTail);
  absl::StripAsciiWhitespace(&log);
  return absl::Status(
      CodeOf(log, shared_->cgroups->Usage(spec.cgroup)),
      absl::StrCat(flavor_.name,
                   exit.signal != 0 ? absl::StrCat(" was killed by signal ", exit.signal)
                                    : absl::StrCat(" ended with code ", exit.exit_code),
                   ": ", log.empty() ? "it said nothing" : log));
}

absl::StatusOr<RunningContainer> OciRuntime::TryStart(const ContainerSpec& spec,
                                                      absl::Duration timeout) {
  PADDOCK_RETURN_IF_ERROR(shared_->cgroups->Create(spec.cgroup, spec.limits));
  PADDOCK_RETURN_IF_ERROR(MakeDirectories(spec.bundle_dir, 0700));
  PADDOCK_RETURN_IF_ERROR(MakeDirectories(spec.runtime_root, 0700));
  PADDOCK_RETURN_IF_ERROR(WriteConfig(spec));
  PADDOCK_ASSIGN_OR_RETURN(const UniqueFd socket, ListenSeqpacket(spec.init_socket));

  LaunchPlan plan;
  plan.lower_dirs = spec.lower_dirs;
  plan.volume_dir = spec.volume_dir;
  plan.volatile_upper = spec.volatile_upper;
  plan.userns_fd = spec.userns_fd;
  plan.uid_base = spec.uid_base;
  plan.timeout = timeout;
  plan.command.argv = RunCommand(flavor_, spec, LogFile(spec), PidFile(spec));
  plan.command.fds = {{socket.get(), kListenFd}};
  UniqueFd errors;
  if (flavor_.fails_on_stderr) {
    PADDOCK_ASSIGN_OR_RETURN(errors, OpenForAppend(StderrFile(spec)));
    plan.command.fds.emplace_back(errors.get(), STDERR_FILENO);
  }
  PADDOCK_ASSIGN_OR_RETURN(const ExitStatus exit, Execute(spec, std::move(plan)));
  if (exit.exit_code != 0) return Failure(spec, LogFile(spec), exit);
  PADDOCK_ASSIGN_OR_RETURN(const RunningContainer container, ReadContainer(PidFile(spec)));
  PADDOCK_RETURN_IF_ERROR(shared_->exits->Track(spec.cgroup, container));
  if (flavor_.keeps_processes) PADDOCK_RETURN_IF_ERROR(ReapOthers(spec, container));
  return container;
}

absl::Status OciRuntime::ReapOthers(const ContainerSpec& spec, const RunningContainer& container) {
  const std::vector<std::string> dirs = shared_->cgroups->Directories(spec.cgroup);
  if (dirs.empty()) return absl::OkStatus();
  PADDOCK_ASSIGN_OR_RETURN(const std::vector<pid_t> pids, ReadCgroupProcesses(dirs[0]));
  for (const pid_t pid : pids) {
    if (pid == container.pid) continue;
    // Those that are no children of ours are others' to reap, and this does nothing.
    absl::StatusOr<UniqueFd> pidfd = PidfdOpen(pid);
    if (pidfd.ok()) PADDOCK_RETURN_IF_ERROR(shared_->exits->ReapAtEnd(*std::move(pidfd)));
  }
  return absl::OkStatus();
}

absl::StatusOr<ExitStatus> OciRuntime::Execute(const ContainerSpec& spec, LaunchPlan plan) {
  plan.command.program_fd = program_.get();
  // A core of 1 byte: none is written, nor piped into the host's handler of crashes.
  plan.command.limits = {{RLIMIT_NOFILE, std::min<rlim_t>(shared_->max_open_files, kMaxOpenFiles)},
                         {RLIMIT_CORE, 1}};
  CgroupEntry entry;
  if (flavor_.leaves_cgroups_alone) {
    PADDOCK_ASSIGN_OR_RETURN(entry, shared_->cgroups->OpenForSpawn(spec.cgroup));
    plan.command.cgroup_dir_fd = entry.v2_dir.get();
    for (const UniqueFd& file : entry.join_files) {
      plan.command.cgroup_join_fds.push_back(file.get());
    }
  }
  absl::StatusOr<ExitStatus> exit = shared_->launchers->Launch(plan);
  shared_->exits->ReapLater();
  return exit;
}

absl::StatusOr<UniqueFd> OciRuntime::ExecHelper(const ContainerSpec& spec,
                                                const HelperProcess& helper,
                                                absl::Duration timeout) {
  const std::string name = absl::StrCat(spec.bundle_dir, "/helper-", helpers_.fetch_add(1));
  const std::string log_file = absl::StrCat(name, ".log"), pid_file = absl::StrCat(name, ".pid");
  const auto remove = absl::MakeCleanup([&] {
    RemoveFile(log_file).IgnoreError();
    RemoveFile(pid_file).IgnoreError();
  });
  LaunchPlan plan;
  plan.timeout = timeout;
  plan.command.argv = ExecCommand(flavor_, spec, helper.argument, log_file, pid_file);
  plan.command.fds = {{helper.connection, kListenFd}};
  if (flavor_.takes_socket) {
    plan.command.fds.emplace_back(shared_->init_program.get(), kHelperProgramFd);
  }
  for (const auto& [fd, target] : {std::pair(helper.stdin_fd, 0), std::pair(helper.stdout_fd, 1),
                                   std::pair(helper.stderr_fd, 2)}) {
    if (fd >= 0) plan.command.fds.emplace_back(fd, target);
  }
  PADDOCK_ASSIGN_OR_RETURN(const ExitStatus exit, Execute(spec, std::move(plan)));
  if (exit.exit_code != 0) {
    const absl::Status failure = Failure(spec, log_file, exit);
    return absl::IsInternal(failure) ? absl::UnavailableError(failure.message()) : failure;
  }
  const absl::StatusOr<RunningContainer> process = ReadContainer(pid_file);
  if (absl::IsNotFound(process.status()) && PathExists(pid_file)) return UniqueFd();
  if (!process.ok()) return process.status();
  absl::StatusOr<UniqueFd> pidfd = PidfdOpenChecked(process->pid, process->start_time);
  absl::StatusOr<UniqueFd> watched = PidfdOpenChecked(process->pid, process->start_time);
  if (!pidfd.ok() || !watched.ok()) return UniqueFd();
  PADDOCK_RETURN_IF_ERROR(shared_->exits->ReapAtEnd(*std::move(watched)));
  return pidfd;
}

absl::StatusOr<RunningContainer> OciRuntime::Start(const ContainerSpec& spec,
                                                   absl::Duration timeout) {
  absl::StatusOr<RunningContainer> container = TryStart(spec, timeout);
  // A cgroup in use belongs to a container that runs: that one isn't ours to end.
  if (!container.ok() && !absl::IsAlreadyExists(container.status())) {
    absl::Status undone = Destroy(spec, timeout);
    if (!undone.ok()) {
      return absl::Status(
          container.status().code(),
          absl::StrCat(container.status().message(), "; and clearing up: ", undone.message()));
    }
  }
  return container;
}

bool OciRuntime::IsAlive(const RunningContainer& container) {
  const absl::StatusOr<UniqueFd> pidfd = PidfdOpenChecked(container.pid, container.start_time);
  return pidfd.ok() && !PidfdExited(pidfd->get());
}

void OciRuntime::WatchExit(const RunningContainer& container, const std::string& cgroup,
                           std::function<void(ContainerExit)> on_exit) {
  shared_->exits->OnExit(cgroup, container, std::move(on_exit));
}

absl::Status OciRuntime::Destroy(const ContainerSpec& spec, absl::Duration timeout) {
  PADDOCK_RETURN_IF_ERROR(shared_->cgroups->Kill(spec.cgroup, timeout));
  if (!flavor_.leaves_cgroups_alone && PathExists(spec.runtime_root)) {
    SpawnSpec command;
    command.argv = DeleteCommand(flavor_, spec);
    SubprocessOptions options;
    options.timeout = timeout;
    // Its words about a container that it doesn't know are no failure; what counts is checked next.
    PADDOCK_RETURN_IF_ERROR(RunSubprocess(command, options).status());
  }
  PADDOCK_RETURN_IF_ERROR(shared_->cgroups->Remove(spec.cgroup));
  shared_->exits->Forget(spec.cgroup);
  PADDOCK_RETURN_IF_ERROR(RemoveFile(spec.init_socket));
  PADDOCK_RETURN_IF_ERROR(RemoveTree(spec.runtime_root));
  return RemoveTree(spec.bundle_dir);
}

}  // namespace paddock::nodeagent
