#include "controlplane/core/batching_node_registry.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <set>
#include <utility>

#include "absl/hash/hash.h"
#include "absl/strings/str_cat.h"
#include "common/await_for.h"
#include "common/errors.h"
#include "common/log.h"
#include "common/status_macros.h"
#include "controlplane/core/status_rules.h"

namespace paddock {
namespace {

constexpr absl::Duration kImagesAge = absl::Seconds(20);
// Above it there are no placements.
constexpr int64_t kNoRevision = std::numeric_limits<int64_t>::max();

// The agent must register again, or end.
absl::Status NewerAgent() {
  return absl::FailedPreconditionError("a newer agent has registered, or the node was removed");
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
  Written written;
  HeartbeatReport& report = written.pending.report;
  report.id = registration.id;
  report.epoch = registration.epoch;
  report.sessions = registration.sessions;
  report.images = registration.images;
  written.revision = registered.revision;
  written.look = history_.Begin(report, registered.revision, deps_.clock->Monotonic());
  PADDOCK_RETURN_IF_ERROR(UpdateImages({&report}));
  PADDOCK_ASSIGN_OR_RETURN(auto placements,
                           deps_.store->Placements({{report.id, report.epoch, 0, {}}}));
  if (!placements[0].has_value()) return NewerAgent();
  written.placements = *std::move(placements[0]);
  absl::StatusOr<HeartbeatAnswer> processed = Process(written);
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
      AwaitFor(&mutex_, absl::Condition(this, &BatchingNodeRegistry::BatchIsFull),
               options_.batch_window);
      if (!IsQuiet()) {
        AwaitFor(&mutex_, absl::Condition(this, &BatchingNodeRegistry::BatchIsFull),
                 options_.batch_window_of_many - options_.batch_window);
      }
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
  if (!outcomes.ok()) {
    for (const Pending& pending : batch) pending.callback(outcomes.status());
    return;
  }
  const absl::Duration now = deps_.clock->Monotonic();
  std::vector<Written> written;
  for (size_t i = 0; i < batch.size(); ++i) {
    const HeartbeatOutcome& outcome = (*outcomes)[i];
    deps_.metrics->CountHeartbeat(KindName(outcome.kind));
    if (AnswerUnlessWritten(batch[i], outcome)) continue;
    Written next;
    next.look = history_.Begin(batch[i].report, outcome.revision, now);
    next.revision = outcome.revision;
    next.pending = std::move(batch[i]);
    written.push_back(std::move(next));
  }
  LookAt(std::move(written));
}

bool BatchingNodeRegistry::AnswerUnlessWritten(Pending& pending, const HeartbeatOutcome& outcome) {
  HeartbeatAnswer answer = NewAnswer(outcome.revision);
  switch (outcome.kind) {
    case HeartbeatOutcome::Kind::kUnknown:
      pending.callback(errors::NodeNotFound(pending.report.id.value()));
      return true;
    case HeartbeatOutcome::Kind::kSuperseded:
      answer.superseded = true;
      pending.callback(std::move(answer));
      return true;
    case HeartbeatOutcome::Kind::kOld:
      // What it says is outdated, and a newer one carries the desired state.
      answer.revision = pending.report.applied_revision;
      pending.callback(std::move(answer));
      return true;
    case HeartbeatOutcome::Kind::kWritten:
      return false;
  }
  return false;
}

void BatchingNodeRegistry::LookAt(std::vector<Written> written) {
  std::vector<const HeartbeatReport*> reports;
  std::vector<NodeStore::PlacementQuery> queries;
  std::vector<Written*> asking;
  for (Written& heartbeat : written) {
    const HeartbeatReport& report = heartbeat.pending.report;
    reports.push_back(&report);
    if (!heartbeat.look.needed) continue;
    const ReportHistory::Look& look = heartbeat.look;
    // All of a node's placements are above 0.
    queries.push_back({report.id, report.epoch, look.after_revision,
                       look.whole ? std::vector<SessionId>() : look.sessions});
    asking.push_back(&heartbeat);
  }
  absl::Status status = UpdateImages(reports);
  if (status.ok() && !queries.empty()) {
    auto placements = deps_.store->Placements(queries);
    status = placements.status();
    for (size_t i = 0; status.ok() && i < asking.size(); ++i) {
      if ((*placements)[i].has_value()) {
        asking[i]->placements = *std::move((*placements)[i]);
      } else {
        std::exchange(asking[i]->pending.callback, nullptr)(NewerAgent());
      }
    }
  }
  for (Written& heartbeat : written) {
    const HeartbeatCallback& callback = heartbeat.pending.callback;
    if (callback == nullptr) continue;
    if (!status.ok()) {
      callback(status);
    } else if (!heartbeat.look.needed) {
      callback(NewAnswer(heartbeat.revision));
    } else {
      auto shared = std::make_shared<Written>(std::move(heartbeat));
      const bool scheduled =
          workers_.TrySchedule([this, shared] { shared->pending.callback(Process(*shared)); });
      if (!scheduled) {
        shared->pending.callback(
            errors::Overloaded("the registry of nodes", settings_.heartbeat_interval));
      }
    }
  }
}

absl::StatusOr<HeartbeatAnswer> BatchingNodeRegistry::Process(const Written& written) {
  const HeartbeatReport& report = written.pending.report;
  const ReportPlan plan = PlanReport(
      written.placements, ReportHistory::Concerned(report, written.look, written.placements),
      report.applied_revision, ReportKind::kComplete);
  PADDOCK_RETURN_IF_ERROR(Execute(report.id, report.epoch, plan));
  HeartbeatAnswer answer = NewAnswer(written.revision);
  for (const SessionStop& stop : plan.stops) answer.desired.push_back({written.revision, stop});
  PADDOCK_ASSIGN_OR_RETURN(std::vector<DesiredSession> orders, NewOrders(written, plan));
  answer.desired.insert(answer.desired.end(), std::make_move_iterator(orders.begin()),
                        std::make_move_iterator(orders.end()));
  history_.End(report, written.revision, written.look, written.placements, plan,
               deps_.clock->Monotonic());
  return answer;
}

absl::StatusOr<std::vector<DesiredSession>> BatchingNodeRegistry::NewOrders(
    const Written& written, const ReportPlan& plan) {
  const HeartbeatReport& report = written.pending.report;
  // What the plan itself ordered is above the revision that was read.
  const bool ordered = std::any_of(plan.transitions.begin(), plan.transitions.end(),
                                   [](const auto& step) { return !step.stop_reason.empty(); });
  std::set<std::pair<absl::string_view, int64_t>> reported;
  for (const SessionStatus& status : report.sessions) {
    reported.insert({status.session_id.value(), status.generation});
  }
  std::vector<DesiredSession> orders;
  for (const PlacementState& placement : written.placements) {
    if (placement.node_revision <= report.applied_revision) continue;
    if (placement.stop) {
      orders.push_back(
          {placement.node_revision,
           SessionStop{placement.session_id, placement.generation, placement.stop_reason}});
    } else if (ordered || !plan.restarts.empty() ||
               reported.count({placement.session_id.value(), placement.generation}) == 0) {
      // It needs the whole specification.
      return deps_.store->Desired(report.id, report.applied_revision);
    }
  }
  if (ordered || !plan.restarts.empty()) {
    return deps_.store->Desired(report.id, report.applied_revision);
  }
  return orders;
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

absl::Status BatchingNodeRegistry::UpdateImages(
    const std::vector<const HeartbeatReport*>& reports) {
  const absl::Duration now = deps_.clock->Monotonic();
  std::vector<NodeStore::Images> due;
  {
    absl::MutexLock lock(&mutex_);
    for (const HeartbeatReport* report : reports) {
      auto it = images_.find(report->id);
      // Builds and other replicas write them too, so what was right once isn't for ever.
      if (it == images_.end() || it->second.digest != absl::HashOf(report->images) ||
          now - it->second.at >= kImagesAge) {
        due.push_back({report->id, report->images});
      }
    }
  }
  if (due.empty()) return absl::OkStatus();
  PADDOCK_RETURN_IF_ERROR(deps_.store->WriteImages(due));
  absl::MutexLock lock(&mutex_);
  for (const NodeStore::Images& node : due) images_[node.id] = {absl::HashOf(node.images), now};
  return absl::OkStatus();
}

absl::Status BatchingNodeRegistry::ReportSessions(const NodeId& node, const std::string& epoch,
                                                  const std::vector<SessionStatus>& sessions) {
  if (sessions.empty()) return absl::OkStatus();
  NodeStore::PlacementQuery query = {node, epoch, kNoRevision, {}};
  for (const SessionStatus& status : sessions) query.sessions.push_back(status.session_id);
  PADDOCK_ASSIGN_OR_RETURN(const auto placements, deps_.store->Placements({query}));
  if (!placements[0].has_value()) return NewerAgent();
  // What runs there and shouldn't is answered by the next heartbeat.
  return Execute(node, epoch, PlanReport(*placements[0], sessions, 0, ReportKind::kChangesOnly));
}

HeartbeatAnswer BatchingNodeRegistry::NewAnswer(int64_t revision) const {
  HeartbeatAnswer answer;
  answer.revision = revision;
  answer.heartbeat_interval = settings_.heartbeat_interval;
  answer.fence_after = settings_.fence_after;
  return answer;
}

}  // namespace paddock
