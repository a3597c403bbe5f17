#include "nodeagent/session/incident_monitor.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace paddock::nodeagent {
namespace {

// Nearer to the bound than this, writes fail already: space is charged by blocks and metadata.
constexpr int64_t kDiskSlackBytes = 256 * 1024;
// With this much free there is room again; apart from the slack, so that a disk at its bound isn't
// full anew with every block.
constexpr int64_t kDiskRoomBytes = 1024 * 1024;

}  // namespace

void IncidentMonitor::Check(const SessionRecord& record) {
  // What is told last stands: when a check finds both, the disk filled before the kill. A full disk
  // lasts and was only waiting to be seen; a kill is what just happened.
  CheckDisk(record);
  CheckUsage(record);
}

void IncidentMonitor::CheckAll() {
  for (const SessionRecord& record : manager_->ListRunning()) Check(record);
}

void IncidentMonitor::CheckUsage(const SessionRecord& record) {
  const std::string& id = record.spec.session_id;
  const absl::StatusOr<CgroupUsage> usage = cgroups_->Usage(id);
  if (!usage.ok()) return;  // It is going; its end will be told.
  Seen before;
  {
    absl::MutexLock lock(&mutex_);
    Seen& seen = seen_[id];
    before = seen;
    seen.oom_kills = usage->oom_kills;
    seen.pids_refused = usage->pids_refused;
  }
  if (usage->oom_kills > before.oom_kills) {
    manager_->NoteIncident(
        id, record.spec.generation, kReasonOomKilled,
        absl::StrCat(usage->oom_kills, " process(es) killed at the memory limit of ",
                     record.spec.limits.memory_bytes, " bytes"));
  } else if (usage->pids_refused > before.pids_refused) {
    manager_->NoteIncident(id, record.spec.generation, kReasonPidsExhausted,
                           absl::StrCat("the limit of ", record.spec.limits.pids,
                                        " processes was reached; new ones were refused"));
  }
}

void IncidentMonitor::CheckDisk(const SessionRecord& record) {
  const std::string& id = record.spec.session_id;
  const absl::StatusOr<VolumeStore::Usage> usage = volumes_->GetUsage(id);
  if (!usage.ok() || usage->limit_bytes <= 0) return;
  const int64_t free = usage->limit_bytes - usage->used_bytes;
  bool before, full;
  {
    absl::MutexLock lock(&mutex_);
    Seen& seen = seen_[id];
    full = free <= (seen.disk_full ? kDiskRoomBytes : kDiskSlackBytes);
    before = std::exchange(seen.disk_full, full);
  }
  if (full && !before) {
    manager_->NoteIncident(id, record.spec.generation, kReasonDiskFull,
                           absl::StrCat("the disk limit of ", record.spec.limits.disk_bytes,
                                        " bytes was reached; writes fail"));
  } else if (!full && (before || record.status.reason == kReasonDiskFull)) {
    // The second: an agent before this one told it.
    manager_->EndIncident(id, record.spec.generation, kReasonDiskFull);
  }
}

void IncidentMonitor::OnSessionGone(const std::string& session_id) {
  absl::MutexLock lock(&mutex_);
  seen_.erase(session_id);
}

}  // namespace paddock::nodeagent
