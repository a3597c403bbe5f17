#include "nodeagent/session/session_restorer.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/ids.h"
#include "common/log.h"
#include "common/status_macros.h"
#include "nodeagent/system/file.h"

namespace paddock::nodeagent {
namespace {

constexpr absl::Duration kKillTimeout = absl::Seconds(10);

}  // namespace

absl::StatusOr<SessionRestorer::Result> SessionRestorer::Run(absl::Duration timeout) {
  PADDOCK_ASSIGN_OR_RETURN(const std::vector<std::string> fenced,
                           resources_->gateway->ListFenced());
  fenced_.insert(fenced.begin(), fenced.end());
  PADDOCK_RETURN_IF_ERROR(ReadRecords());
  // The slots of all of them first, so that none is handed out while the workers remove others.
  for (auto& [id, record] : records_) PADDOCK_RETURN_IF_ERROR(AdoptSlot(&record));
  PADDOCK_RETURN_IF_ERROR(SweepGateway());
  PADDOCK_RETURN_IF_ERROR(SweepCgroups());
  PADDOCK_RETURN_IF_ERROR(AddLooseVolumes());
  for (auto& [id, record] : records_) PADDOCK_RETURN_IF_ERROR(RestoreOne(record));
  if (!manager_->WaitIdle(timeout)) {
    return absl::DeadlineExceededError("what an earlier agent left can't be removed");
  }
  PADDOCK_RETURN_IF_ERROR(resources_->pool->Sweep());
  return result_;
}

absl::Status SessionRestorer::ReadRecords() {
  const Paths& paths = *resources_->paths;
  PADDOCK_RETURN_IF_ERROR(MakeDirectories(paths.SessionsDir(), 0711));
  PADDOCK_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                           ListDirectory(paths.SessionsDir()));
  for (const std::string& name : names) {
    std::optional<SessionRecord> record = ReadRecord(name);
    if (record.has_value()) {
      records_.emplace(name, *std::move(record));
    } else {
      ++result_.orphans;
      PADDOCK_RETURN_IF_ERROR(RemoveTree(paths.SessionDir(name)));
    }
  }
  return absl::OkStatus();
}

std::optional<SessionRecord> SessionRestorer::ReadRecord(const std::string& session_id) {
  const absl::StatusOr<std::string> json = ReadFile(resources_->paths->SessionFile(session_id));
  absl::StatusOr<SessionRecord> record =
      json.ok() ? DecodeSessionRecord(*json) : absl::StatusOr<SessionRecord>(json.status());
  if (record.ok() && record->spec.session_id == session_id) return *std::move(record);
  LogWarning("a session's record can't be read; what it made is swept, its volume kept",
             {{"session_id", session_id}, {"error", record.status().ToString()}});
  return std::nullopt;
}

absl::Status SessionRestorer::AdoptSlot(SessionRecord* record) {
  // Namespaces and processes of an earlier boot are gone, and their slots with them.
  if (record->boot_id != boot_id_) {
    record->pair.reset();
    record->container.reset();
  }
  if (!record->pair.has_value()) return absl::OkStatus();
  const absl::Status status = resources_->pool->Adopt(record->pair->index);
  if (!absl::IsAlreadyExists(status)) return status;
  LogError("two sessions name one network slot; the later one is ended",
           {{"session_id", record->spec.session_id}, {"slot", record->pair->index}});
  record->pair.reset();
  if (record->status.phase != SessionPhase::kTerminated) {
    *record = DescribeLost(*record, kReasonStartFailed, "its network slot belongs to another");
  }
  return absl::OkStatus();
}

absl::Status SessionRestorer::RestoreOne(SessionRecord record) {
  const std::string& id = record.spec.session_id;
  const bool stopped = tombstones_->Get(id).stopped >= record.spec.generation;
  const SessionPhase phase = record.status.phase;
  if (stopped) {
    ++result_.half_made;
    record.status.phase = SessionPhase::kStopping;
    manager_->Restore(std::move(record), /*start_again=*/false);
  } else if (phase == SessionPhase::kTerminated) {
    ++result_.ended;
    manager_->Restore(std::move(record), /*start_again=*/false);
  } else if (record.boot_id != boot_id_) {
    ++result_.rebooted;
    manager_->Restore(
        DescribeLost(std::move(record), kReasonNodeRebooted, "the node was restarted"),
        /*start_again=*/false);
  } else if (phase == SessionPhase::kRunning) {
    return Adopt(std::move(record));
  } else {
    ++result_.half_made;
    manager_->Restore(std::move(record), /*start_again=*/true);
  }
  return absl::OkStatus();
}

absl::Status SessionRestorer::Adopt(SessionRecord record) {
  ContainerRuntime* const runtime = resources_->RuntimeOf(record);
  const bool alive = runtime != nullptr && record.container.has_value() &&
                     record.pair.has_value() && runtime->IsAlive(*record.container);
  if (!alive) {
    ++result_.ended;
    const bool fenced = fenced_.count(record.spec.session_id) > 0;
    manager_->Restore(
        DescribeLost(std::move(record), fenced ? kReasonFenced : kReasonContainerExited,
                     fenced ? "the node had no contact with the control plane for too long"
                            : "it ended while the node agent was away"),
        /*start_again=*/false);
    return absl::OkStatus();
  }
  PADDOCK_RETURN_IF_ERROR(KillExecs(record));
  // A gateway process that lost it learns it again.
  const absl::Status put = PutAgain(record);
  if (absl::IsFailedPrecondition(put) && record.spec.on_node_loss == OnNodeLoss::kReschedule) {
    ++result_.ended;
    record = DescribeLost(std::move(record), kReasonFenced, "its fence deadline is over");
  } else {
    PADDOCK_RETURN_IF_ERROR(put);
    ++result_.adopted;
  }
  manager_->Restore(std::move(record), /*start_again=*/false);
  return absl::OkStatus();
}

absl::Status SessionRestorer::PutAgain(const SessionRecord& record) {
  GatewaySession session = DescribeGatewaySession(*resources_, record);
  const absl::Status put = resources_->gateway->PutSession(session);
  if (!absl::IsInvalidArgument(put)) return put;
  // One damaged policy must not keep the agent from all the others.
  LogError("a session's network policy can't be applied; it has no network now",
           {{"session_id", session.session_id}, {"error", put.ToString()}});
  session.policy = NetworkPolicy();
  return resources_->gateway->PutSession(session);
}

SessionRecord SessionRestorer::DescribeLost(SessionRecord record, absl::string_view reason,
                                            const std::string& message) {
  record.status.phase = SessionPhase::kTerminated;
  record.status.reason = std::string(reason);
  record.status.message = message;
  record.status.ended_at = Clock::Real()->Now();
  return record;
}

absl::Status SessionRestorer::KillExecs(const SessionRecord& record) {
  const std::string& id = record.spec.session_id;
  PADDOCK_ASSIGN_OR_RETURN(const std::vector<std::string> execs,
                           resources_->cgroups->ListExecs(id));
  for (const std::string& exec : execs) {
    if (record.background_execs.count(exec) > 0) continue;
    const std::string cgroup = absl::StrCat(id, "/exec-", exec);
    PADDOCK_RETURN_IF_ERROR(resources_->cgroups->Kill(cgroup, kKillTimeout));
    PADDOCK_RETURN_IF_ERROR(resources_->cgroups->Remove(cgroup));
  }
  return absl::OkStatus();
}

absl::Status SessionRestorer::SweepGateway() {
  PADDOCK_ASSIGN_OR_RETURN(const std::vector<GatewaySession> sessions,
                           resources_->gateway->ListSessions());
  for (const GatewaySession& session : sessions) {
    if (records_.count(session.session_id) > 0) continue;
    ++result_.orphans;
    PADDOCK_RETURN_IF_ERROR(resources_->gateway->RemoveSession(session.session_id));
  }
  return absl::OkStatus();
}

absl::Status SessionRestorer::SweepCgroups() {
  PADDOCK_ASSIGN_OR_RETURN(const std::vector<std::string> names, resources_->cgroups->List());
  for (const std::string& name : names) {
    if (!IsWellFormedId(kSessionPrefix, name) || records_.count(name) > 0) continue;
    ++result_.orphans;
    PADDOCK_RETURN_IF_ERROR(resources_->cgroups->Kill(name, kKillTimeout));
    PADDOCK_RETURN_IF_ERROR(resources_->cgroups->Remove(name));
  }
  return absl::OkStatus();
}

absl::Status SessionRestorer::AddLooseVolumes() {
  PADDOCK_ASSIGN_OR_RETURN(const std::vector<std::string> volumes, resources_->volumes->List());
  for (const std::string& id : volumes) {
    if (records_.count(id) > 0) continue;
    const TombstoneLog::Entry tombstone = tombstones_->Get(id);
    if (tombstone.seen > 0 && tombstone.stopped >= tombstone.seen) {
      ++result_.orphans;
      PADDOCK_RETURN_IF_ERROR(resources_->volumes->Destroy(id));
      continue;
    }
    ++result_.loose_volumes;
    LogWarning("a volume without a record is kept until its session is stopped",
               {{"session_id", id}, {"generation", tombstone.seen}});
    if (tombstone.seen == 0) continue;
    // A power cut took the record. Saying so lets the control plane start or stop it.
    SessionRecord record;
    record.spec.session_id = id;
    record.spec.generation = tombstone.seen;
    record.status.session_id = id;
    record.status.generation = tombstone.seen;
    record.removed = true;
    records_.emplace(id, DescribeLost(std::move(record), kReasonNodeRebooted,
                                      "the node was restarted and lost its record of the session"));
  }
  return absl::OkStatus();
}

}  // namespace paddock::nodeagent
