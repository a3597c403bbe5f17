#include "nodeagent/session/housekeeper.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/await_for.h"
#include "common/clock.h"
#include "common/log.h"
#include "nodeagent/system/machine.h"

namespace paddock::nodeagent {
namespace {

// Of the volumes' file system, what must be free: btrfs needs room to delete.
constexpr double kFreeShare = 0.03;
constexpr int64_t kFreeAtMost = int64_t{2} << 30;
// Of the state directory's.
constexpr int64_t kStateFreeBytes = int64_t{64} << 20;

}  // namespace

Housekeeper::Housekeeper(const NodeResources* resources, SessionManager* manager,
                         ExecService* execs, IncidentMonitor* incidents, NodeGauges* gauges)
    : resources_(resources),
      manager_(manager),
      execs_(execs),
      incidents_(incidents),
      gauges_(gauges) {}

Housekeeper::~Housekeeper() {
  {
    absl::MutexLock lock(&mutex_);
    stop_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

void Housekeeper::Start() {
  thread_ = std::thread([this] { Loop(); });
}

void Housekeeper::Loop() {
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      if (AwaitFor(&mutex_, absl::Condition(&stop_), kInterval)) return;
    }
    Run();
  }
}

void Housekeeper::Run() {
  std::string reason = CheckDisk();
  {
    absl::MutexLock lock(&mutex_);
    if (reason != reason_) {
      LogWarning(reason.empty() ? "the node takes work again" : "the node takes no work",
                 {{"reason", reason}});
    }
    reason_ = std::move(reason);
  }
  execs_->Sweep();
  incidents_->CheckAll();
  if (resources_->egress_archive != nullptr) {
    if (absl::Status pruned = resources_->egress_archive->Prune(Clock::Real()->Now());
        !pruned.ok()) {
      LogWarning("can't remove old egress events", {{"error", pruned.ToString()}});
    }
  }
  gauges_->Update(*resources_, *manager_, *execs_);
  for (const auto& chore : chores_) chore();
}

std::string Housekeeper::CheckDisk() const {
  const absl::StatusOr<VolumeStore::Usage> usage = resources_->volumes->GetFileSystemUsage();
  if (!usage.ok()) {
    return absl::StrCat("VOLUMES_UNAVAILABLE: ", usage.status().message());
  }
  const int64_t free = usage->limit_bytes - usage->used_bytes;
  const int64_t wanted = std::min(
      static_cast<int64_t>(kFreeShare * static_cast<double>(usage->limit_bytes)), kFreeAtMost);
  if (free < wanted) {
    return absl::StrCat("DISK_FULL: ", free, " bytes free on the volumes' file system, ", wanted,
                        " are kept");
  }
  const absl::StatusOr<int64_t> state = FreeBytes(resources_->paths->state());
  if (state.ok() && *state < kStateFreeBytes) {
    return absl::StrCat("DISK_FULL: ", *state, " bytes free for the agent's state, ",
                        kStateFreeBytes, " are kept");
  }
  return "";
}

std::string Housekeeper::not_schedulable_reason() const {
  absl::MutexLock lock(&mutex_);
  return reason_;
}

}  // namespace paddock::nodeagent
