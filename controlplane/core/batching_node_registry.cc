#include "controlplane/core/batching_node_registry.h"

#include <set>
#include <tuple>

#include "absl/hash/hash.h"
#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/log.h"
#include "common/status_macros.h"
#include "controlplane/core/status_rules.h"

namespace paddock {
namespace {

constexpr absl::Duration kImagesAge = absl::Seconds(20);

// Equal for reports that say the same, in whatever order.
size_t DigestOf(const std::vector<SessionStatus>& sessions) {
  size_t digest = sessions.size();
  for (const SessionStatus& status : sessions) {
    digest += absl::HashOf(status.session_id, status.generation, static_cast<int>(status.state),
                           status.reason);
  }
  return digest;
}

absl::Status CheckRegistration(const NodeRegistration& node) {
  if (!IsWellFormedId(kNodePrefix, node.id.value())) {
    return errors::InvalidField("node_id", "must be `node_` and 26 characters");
  }
  if (node.address.empty()) return errors::InvalidField("address", "must not be empty");
  if (node.epoch.empty()) return errors::InvalidField("epoch", "must not be empty");
  const NodeResources& capacity = node.capacity;
  if (capacity.cpu_millis <= 0 || capacity.memory_bytes <= 0 || capacity.disk_bytes <= 0 ||
      capacity.sessions <= 0) {
    return errors::InvalidField("capacity", "must be positive in every resource");
  }
  return absl::OkStatus();
}

absl::string_view KindName(HeartbeatOutcome::Kind kind) {
  switch (kind) {
    case HeartbeatOutcome::Kind::kWritten:
      return "written";
    case HeartbeatOutcome::Kind::kOld:
      return "old";
    case HeartbeatOutcome::Kind::kSuperseded:
      return "superseded";
    case HeartbeatOutcome::Kind::kUnknown:
      return "unknown";
  }
  return "";
}

}  // namespace

BatchingNodeRegistry::BatchingNodeRegistry(const Deps& deps, const Settings& settings,
                                           const Options& options)
    : deps_(deps),
      settings_(settings),
      options_(options),
      workers_("registry", options.threads, options.max_queued),
      batcher_([this] { RunBatches(); }) {}

BatchingNodeRegistry::~BatchingNodeRegistry() {
  {
    absl::MutexLock lock(&mutex_);
    ending_ = true;
  }
  batcher_.join();
}

absl::StatusOr<HeartbeatAnswer> BatchingNodeRegistry::Register(
    const NodeRegistration& registration) {
  PADDOCK_RETURN_IF_ERROR(CheckRegistration(registration));
  PADDOCK_ASSIGN_OR_RETURN(const NodeStore::Registered registered,
                           deps_.store->Register(registration));
  HeartbeatAnswer answer = NewAnswer(registered.revision);
  if (registered.superseded) {
    answer.superseded = true;
    return answer;
  }
  LogInfo("node registered", {{"node_id", registration.id.value()},
                              {"name", registration.name},
                              {"address", registration.address},
                              {"epoch", registration.epoch},
                              {"rebooted", registered.rebooted},
                              {"sessions", registration.sessions.size()}});
  // Nothing is applied yet, so absence says nothing.
  HeartbeatReport report;
  report.id = registration.id;
  report.epoch = registration.epoch;
  report.sessions = registration.sessions;
  report.images = registration.images;
  HeartbeatOutcome outcome;
  outcome.kind = HeartbeatOutcome::Kind::kWritten;
  outcome.revision = registered.revision;
  absl::StatusOr<HeartbeatAnswer> processed = Process(report, outcome);
  if (processed.ok()) deps_.wake_reconciler();
  return processed;
}

void BatchingNodeRegistry::Heartbeat(HeartbeatReport report, HeartbeatCallback callback) {
  {
    absl::MutexLock lock(&mutex_);
    if (!ending_ && pending_.size() < options_.max_queued) {
      pending_.push_back({std::move(report), std::move(callback)});
      return;
    }
  }
  callback(errors::Overloaded("the registry of nodes", settings_.heartbeat_interval));
}

void BatchingNodeRegistry::RunBatches() {
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(this, &BatchingNodeRegistry::HasPending));
      mutex_.AwaitWithTimeout(absl::Condition(this, &BatchingNodeRegistry::BatchIsFull),
                              options_.batch_window);
      if (ending_ && pending_.empty()) return;
    }
    Write(TakeBatch());
  }
}

// Of each node at most one: the order of a node's heartbeats decides which are old.
std::vector<BatchingNodeRegistry::Pending> BatchingNodeRegistry::TakeBatch() {
  absl::MutexLock lock(&mutex_);
  std::vector<Pending> batch;
  std::deque<Pending> rest;
  std::set<NodeId> nodes;
  while (!pending_.empty()) {
    Pending pending = std::move(pending_.front());
    pending_.pop_front();
    if (batch.size() < options_.max_batch && nodes.insert(pending.report.id).second) {
      batch.push_back(std::move(pending));
    } else {
      rest.push_back(std::move(pending));
    }
  }
  pending_ = std::move(rest);
  return batch;
}

void BatchingNodeRegistry::Write(std::vector<Pending> batch) {
  std::vector<const HeartbeatReport*> reports;
  for (const Pending& pending : batch) reports.push_back(&pending.report);
  deps_.metrics->ObserveBatch(batch.size());
  absl::StatusOr<std::vector<HeartbeatOutcome>> outcomes = deps_.store->WriteHeartbeats(reports);
  for (size_t i = 0; i < batch.size(); ++i) {
    if (!outcomes.ok()) {
      batch[i].callback(outcomes.status());
      continue;
    }
    auto pending = std::make_shared<Pending>(std::move(batch[i]));
    const HeartbeatOutcome outcome = (*outcomes)[i];
    const bool scheduled =
        workers_.TrySchedule([this, pending, outcome] { Answer(*pending, outcome); });
    if (!scheduled) {
      pending->callback(errors::Overloaded("the registry of nodes", settings_.heartbeat_interval));
    }
  }
}

void BatchingNodeRegistry::Answer(const Pending& pending, const HeartbeatOutcome& outcome) {
  deps_.metrics->CountHeartbeat(KindName(outcome.kind));
  HeartbeatAnswer answer = NewAnswer(outcome.revision);
  switch (outcome.kind) {
    case HeartbeatOutcome::Kind::kUnknown:
      pending.callback(errors::NodeNotFound(pending.report.id.value()));
      return;
    case HeartbeatOutcome::Kind::kSuperseded:
      answer.superseded = true;
      pending.callback(std::move(answer));
      return;
    case HeartbeatOutcome::Kind::kOld:
      // What it says is outdated, and a newer one carries the desired state.
      answer.revision = pending.report.applied_revision;
      pending.callback(std::move(answer));
      return;
    case HeartbeatOutcome::Kind::kWritten:
      pending.callback(Process(pending.report, outcome));
      return;
  }
}

absl::StatusOr<HeartbeatAnswer> BatchingNodeRegistry::Process(const HeartbeatReport& report,
                                                              const HeartbeatOutcome& outcome) {
  HeartbeatAnswer answer = NewAnswer(outcome.revision);
  PADDOCK_RETURN_IF_ERROR(UpdateImages(report));
  const size_t digest = DigestOf(report.sessions);
  bool ordered = false;
  if (!IsSettled(report, outcome.revision, digest)) {
    PADDOCK_ASSIGN_OR_RETURN(const std::vector<PlacementState> placements,
                             deps_.store->Placements(report.id, report.epoch, {}));
    const ReportPlan plan =
        PlanReport(placements, report.sessions, report.applied_revision, ReportKind::kComplete);
    PADDOCK_RETURN_IF_ERROR(Execute(report.id, report.epoch, plan));
    for (const SessionStop& stop : plan.stops) answer.desired.push_back({outcome.revision, stop});
    if (plan.settled) {
      absl::MutexLock lock(&mutex_);
      settled_[report.id] = {report.epoch, outcome.revision, digest};
    }
    // What the plan itself ordered is above that revision, and is sent along.
    ordered = !plan.settled;
  }
  if (ordered || outcome.revision > report.applied_revision) {
    PADDOCK_ASSIGN_OR_RETURN(std::vector<DesiredSession> desired,
                             deps_.store->Desired(report.id, report.applied_revision));
    answer.desired.insert(answer.desired.end(), std::make_move_iterator(desired.begin()),
                          std::make_move_iterator(desired.end()));
  }
  return answer;
}

bool BatchingNodeRegistry::IsSettled(const HeartbeatReport& report, int64_t revision,
                                     size_t digest) {
  absl::MutexLock lock(&mutex_);
  auto it = settled_.find(report.id);
  return it != settled_.end() && it->second.epoch == report.epoch &&
         it->second.revision == revision && it->second.digest == digest;
}

absl::Status BatchingNodeRegistry::Execute(const NodeId& node, const std::string& epoch,
                                           const ReportPlan& plan) {
  if (!plan.transitions.empty()) {
    absl::StatusOr<std::vector<TransitionResult>> applied = deps_.driver->Apply(plan.transitions);
    if (!applied.ok()) return applied.status();
  }
  for (const NodeStore::Absent& session : plan.restarts) {
    PADDOCK_ASSIGN_OR_RETURN(
        const bool restarted,
        deps_.store->RestartSession(node, epoch, session, kReasonNodeRebooted,
                                    "Its node was rebooted; started again with its files."));
    if (restarted) deps_.hub->Notify(WatchKind::kSession, session.session_id.value());
  }
  if (!plan.absent.empty()) {
    PADDOCK_RETURN_IF_ERROR(deps_.store->ReleaseAbsent(node, epoch, plan.absent));
    for (const NodeStore::Absent& session : plan.absent) {
      deps_.hub->Notify(WatchKind::kSession, session.session_id.value());
    }
    deps_.wake_reconciler();
  }
  return absl::OkStatus();
}

absl::Status BatchingNodeRegistry::UpdateImages(const HeartbeatReport& report) {
  const size_t digest = absl::HashOf(report.images);
  const absl::Duration now = deps_.clock->Monotonic();
  {
    absl::MutexLock lock(&mutex_);
    auto it = images_.find(report.id);
    // Builds and other replicas write them too, so what was right once isn't for ever.
    if (it != images_.end() && it->second.digest == digest && now - it->second.at < kImagesAge) {
      return absl::OkStatus();
    }
  }
  PADDOCK_RETURN_IF_ERROR(deps_.store->WriteImages(report.id, report.images));
  absl::MutexLock lock(&mutex_);
  images_[report.id] = {digest, now};
  return absl::OkStatus();
}

absl::Status BatchingNodeRegistry::ReportSessions(const NodeId& node, const std::string& epoch,
                                                  const std::vector<SessionStatus>& sessions) {
  if (sessions.empty()) return absl::OkStatus();
  std::vector<SessionId> ids;
  for (const SessionStatus& status : sessions) ids.push_back(status.session_id);
  PADDOCK_ASSIGN_OR_RETURN(const std::vector<PlacementState> placements,
                           deps_.store->Placements(node, epoch, ids));
  // What runs there and shouldn't is answered by the next heartbeat.
  return Execute(node, epoch, PlanReport(placements, sessions, 0, ReportKind::kChangesOnly));
}

HeartbeatAnswer BatchingNodeRegistry::NewAnswer(int64_t revision) const {
  HeartbeatAnswer answer;
  answer.revision = revision;
  answer.heartbeat_interval = settings_.heartbeat_interval;
  answer.fence_after = settings_.fence_after;
  return answer;
}

}  // namespace paddock
