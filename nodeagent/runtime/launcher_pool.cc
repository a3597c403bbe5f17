#include "nodeagent/runtime/launcher_pool.h"

#include <sys/mount.h>
#include <sys/stat.h>

#include <csignal>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "nodeagent/system/errno_status.h"
#include "nodeagent/system/file.h"
#include "nodeagent/system/mount.h"

namespace paddock::nodeagent {
namespace {

// crun refuses to work where a v1 host has a cgroup v2 tree with controllers beside it, even when
// told to leave cgroups alone; it only looks here.
constexpr char kHybridTree[] = "/sys/fs/cgroup/unified";

// Root of a sandbox is nobody on the host.
absl::Status CheckTraversable(const std::string& dir) {
  for (size_t slash = dir.find('/', 1); slash != std::string::npos;
       slash = dir.find('/', slash + 1)) {
    struct stat st = {};
    const std::string parent = dir.substr(0, slash);
    if (stat(parent.c_str(), &st) != 0) return ErrnoStatus(absl::StrCat("stat ", parent));
    if ((st.st_mode & S_IXOTH) == 0) {
      return absl::FailedPreconditionError(absl::StrCat(
          dir, " can't be where sandboxes are mounted: only its owner may enter ", parent));
    }
  }
  return absl::OkStatus();
}

}  // namespace

struct LauncherPool::Job {
  const LaunchPlan* plan;
  std::vector<UniqueFd> lowers;  // Detached mounts.
  UniqueFd upper;
  absl::StatusOr<ExitStatus> result = absl::UnknownError("not done");
  bool done = false;
};

absl::StatusOr<std::unique_ptr<LauncherPool>> LauncherPool::Create(
    const std::string& work_dir, int launchers, const std::vector<std::string>& needed) {
  PADDOCK_RETURN_IF_ERROR(MakeDirectories(work_dir, 0755));
  PADDOCK_RETURN_IF_ERROR(CheckTraversable(work_dir));
  std::unique_ptr<LauncherPool> pool(new LauncherPool(work_dir, needed));
  std::vector<absl::Status> entered(static_cast<size_t>(launchers));
  {
    absl::MutexLock lock(&pool->mutex_);
    pool->entering_ = launchers;
  }
  for (absl::Status& status : entered) {
    pool->threads_.emplace_back([p = pool.get(), &status] { p->Run(&status); });
  }
  absl::MutexLock lock(&pool->mutex_);
  pool->mutex_.Await(absl::Condition(
      +[](int* entering) { return *entering == 0; }, &pool->entering_));
  for (const absl::Status& status : entered) PADDOCK_RETURN_IF_ERROR(status);
  return pool;
}

LauncherPool::LauncherPool(std::string work_dir, std::vector<std::string> needed)
    : work_dir_(std::move(work_dir)),
      needed_(std::move(needed)),
      rootfs_(absl::StrCat(work_dir_, "/rootfs")),
      scratch_(absl::StrCat(work_dir_, "/layers")) {}

LauncherPool::~LauncherPool() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  for (std::thread& thread : threads_) thread.join();
}

absl::Status LauncherPool::EnterNamespace() {
  PADDOCK_RETURN_IF_ERROR(EnterPrivateMountNamespace());
  std::vector<std::string> needed = needed_;
  needed.push_back(work_dir_);
  for (const char* dir : {"/lib", "/lib64", "/bin", "/sbin", "/etc", "/run", "/tmp"}) {
    needed.emplace_back(dir);
  }
  PADDOCK_RETURN_IF_ERROR(DetachOtherMounts(needed));
  PADDOCK_RETURN_IF_ERROR(MountTmpfs(work_dir_, "mode=755,size=1m"));
  PADDOCK_RETURN_IF_ERROR(MakeDirectories(rootfs_, 0755));
  PADDOCK_RETURN_IF_ERROR(MakeDirectories(scratch_, 0700));
  if (PathExists(absl::StrCat(kHybridTree, "/cgroup.controllers"))) {
    PADDOCK_RETURN_IF_ERROR(MountTmpfs(kHybridTree, "mode=555,size=4k"));
  }
  return absl::OkStatus();
}

void LauncherPool::Run(absl::Status* entered) {
  *entered = EnterNamespace();
  const bool ready = entered->ok();
  absl::MutexLock lock(&mutex_);
  --entering_;  // From here on `entered` may be gone.
  if (!ready) return;
  while (true) {
    mutex_.Await(absl::Condition(
        +[](LauncherPool* pool)
             ABSL_NO_THREAD_SAFETY_ANALYSIS { return pool->stopping_ || !pool->queue_.empty(); },
        this));
    if (queue_.empty()) return;
    Job* job = queue_.front();
    queue_.pop_front();
    mutex_.Unlock();
    absl::StatusOr<ExitStatus> result = Execute(*job);
    mutex_.Lock();
    job->result = std::move(result);
    job->done = true;
  }
}

absl::StatusOr<ExitStatus> LauncherPool::Launch(const LaunchPlan& plan) {
  Job job;
  job.plan = &plan;
  PADDOCK_RETURN_IF_ERROR(OpenLayers(&job));
  absl::MutexLock lock(&mutex_);
  queue_.push_back(&job);
  mutex_.Await(absl::Condition(&job.done));
  return std::move(job.result);
}

absl::Status LauncherPool::OpenLayers(Job* job) {
  const LaunchPlan& plan = *job->plan;
  if (plan.volume_dir.empty()) return absl::OkStatus();
  for (const std::string& dir : plan.lower_dirs) {
    PADDOCK_ASSIGN_OR_RETURN(UniqueFd lower,
                             CloneIdmapped(dir, plan.userns_fd, MountAccess::kReadOnly));
    job->lowers.push_back(std::move(lower));
  }
  PADDOCK_ASSIGN_OR_RETURN(job->upper,
                           CloneIdmapped(plan.volume_dir, plan.userns_fd, MountAccess::kReadWrite));
  return absl::OkStatus();
}

absl::Status LauncherPool::MountRoot(const Job& job) {
  OverlaySpec overlay;
  for (const UniqueFd& lower : job.lowers) overlay.lower_fds.push_back(lower.get());
  overlay.upper_mount_fd = job.upper.get();
  overlay.volatile_upper = job.plan->volatile_upper;
  overlay.scratch_dir = scratch_;
  // The kernel makes the overlay's work directory as its mounter; a plain root isn't mapped there.
  const ScopedFsIds ids(job.plan->uid_base, job.plan->uid_base);
  PADDOCK_RETURN_IF_ERROR(ids.status());
  PADDOCK_ASSIGN_OR_RETURN(const UniqueFd mount, MakeOverlay(overlay));
  return AttachMount(mount.get(), rootfs_);
}

absl::StatusOr<ExitStatus> LauncherPool::Execute(const Job& job) {
  const LaunchPlan& plan = *job.plan;
  const bool has_root = !plan.volume_dir.empty();
  if (has_root) PADDOCK_RETURN_IF_ERROR(MountRoot(job));
  const auto unmount = absl::MakeCleanup([this, has_root] {
    if (has_root) DetachMount(rootfs_).IgnoreError();
  });
  PADDOCK_ASSIGN_OR_RETURN(const SpawnedProcess child, Spawn(plan.command));
  absl::StatusOr<ExitStatus> exit = WaitForExit(child.pidfd.get(), plan.timeout);
  if (exit.ok()) return exit;
  PADDOCK_RETURN_IF_ERROR(PidfdKill(child.pidfd.get(), SIGKILL));
  WaitForExit(child.pidfd.get(), absl::InfiniteDuration()).IgnoreError();
  return absl::DeadlineExceededError(
      absl::StrCat(plan.command.argv[0], " took longer than ", absl::FormatDuration(plan.timeout)));
}

}  // namespace paddock::nodeagent
