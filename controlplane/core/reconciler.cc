#include "controlplane/core/reconciler.h"

#include <map>
#include <utility>

#include "common/await_for.h"
#include "common/ids.h"
#include "common/log.h"
#include "common/status_macros.h"
#include "controlplane/core/reconcile_plan.h"

namespace paddock {
namespace {

constexpr char kLease[] = "reconciler";
constexpr absl::Duration kLeaseTtl = absl::Seconds(5);
constexpr absl::Duration kPassInterval = absl::Milliseconds(250);
constexpr absl::Duration kWakeDelay = absl::Milliseconds(5);
constexpr absl::Duration kViewAge = absl::Milliseconds(500);
constexpr absl::Duration kLossInterval = absl::Seconds(1);
constexpr absl::Duration kStuckInterval = absl::Seconds(5);
constexpr absl::Duration kStopsInterval = absl::Seconds(2);
constexpr absl::Duration kStopRetryAge = absl::Seconds(5);
constexpr absl::Duration kExpireInterval = absl::Seconds(10);
constexpr int kQueueLimit = 1000;
constexpr int kBatch = 200;
constexpr int kExpireLimit = 5000;

void CountNodes(const std::vector<Node>& nodes, FleetMetrics* metrics) {
  std::map<NodeState, int64_t> counts;
  for (const Node& node : nodes) ++counts[node.state];
  metrics->SetNodes("ready", counts[NodeState::kReady]);
  metrics->SetNodes("not_ready", counts[NodeState::kNotReady]);
  metrics->SetNodes("lost", counts[NodeState::kLost]);
}

}  // namespace

Reconciler::Reconciler(const Deps& deps, const Settings& settings)
    : deps_(deps),
      settings_(settings),
      holder_(NewId("replica_", deps.clock->Now())),
      detector_(settings),
      gone_detector_(settings) {}

Reconciler::~Reconciler() {
  {
    absl::MutexLock lock(&mutex_);
    ending_ = true;
  }
  if (!thread_.joinable()) return;
  thread_.join();
  // A clean end lets another replica go on at once; otherwise the lease expires.
  (void)deps_.fleet->ReleaseLease(kLease, holder_);
}

void Reconciler::Start() {
  thread_ = std::thread([this] { Run(); });
}

void Reconciler::Wake() {
  absl::MutexLock lock(&mutex_);
  woken_ = true;
}

void Reconciler::Run() {
  bool failed = false;
  while (true) {
    const absl::Duration began = deps_.clock->Monotonic();
    const absl::Status status = Pass();
    deps_.metrics->ObserveReconcile(deps_.clock->Monotonic() - began);
    if (!status.ok() && !failed) LogWarning("reconciler", {{"error", status.ToString()}});
    failed = !status.ok();
    absl::MutexLock lock(&mutex_);
    // Wakes come in bursts: a short wait lets one pass serve many.
    AwaitFor(&mutex_, absl::Condition(&ending_), kWakeDelay);
    AwaitFor(&mutex_, absl::Condition(this, &Reconciler::ShouldRun), kPassInterval);
    woken_ = false;
    if (ending_) return;
  }
}

absl::Status Reconciler::Pass() {
  deps_.observe();
  PADDOCK_RETURN_IF_ERROR(deps_.view->RefreshIfOlder(kViewAge));
  CountNodes(*deps_.view->Get(), deps_.metrics);
  PADDOCK_RETURN_IF_ERROR(HoldLease());
  if (last_lease_ == -absl::InfiniteDuration()) return absl::OkStatus();
  // Each goes on although another failed.
  absl::Status status = Queue();
  status.Update(Drains());
  status.Update(Every(kLossInterval, &last_losses_, &Reconciler::Losses));
  status.Update(Every(kStuckInterval, &last_stuck_, &Reconciler::Stuck));
  status.Update(Every(kStopsInterval, &last_stops_, &Reconciler::Stops));
  status.Update(Every(kExpireInterval, &last_expire_, &Reconciler::Expire));
  return status;
}

// Sets last_lease_ to -infinity while another replica has it.
absl::Status Reconciler::HoldLease() {
  const absl::Duration now = deps_.clock->Monotonic();
  if (now - last_lease_ < kLeaseTtl / 5) return absl::OkStatus();
  const absl::Duration before = last_lease_;
  last_lease_ = -absl::InfiniteDuration();
  PADDOCK_ASSIGN_OR_RETURN(const bool held, deps_.fleet->TakeLease(kLease, holder_, kLeaseTtl));
  if (!held) {
    detector_.Reset();
    gone_detector_.Reset();
    return absl::OkStatus();
  }
  if (before == -absl::InfiniteDuration()) LogInfo("reconciler lease taken", {{"holder", holder_}});
  last_lease_ = now;
  return absl::OkStatus();
}

absl::Status Reconciler::Every(absl::Duration interval, absl::Duration* last,
                               absl::Status (Reconciler::*task)()) {
  const absl::Duration now = deps_.clock->Monotonic();
  if (now - *last < interval) return absl::OkStatus();
  *last = now;
  return (this->*task)();
}

absl::Status Reconciler::Queue() {
  PADDOCK_ASSIGN_OR_RETURN(const std::vector<QueuedSession> queue, deps_.fleet->Queue(kQueueLimit));
  deps_.metrics->SetQueueLength(static_cast<int64_t>(queue.size()));
  if (queue.empty()) return absl::OkStatus();
  // Room that came a moment ago isn't in the view yet.
  PADDOCK_RETURN_IF_ERROR(deps_.view->RefreshIfOlder(absl::Milliseconds(20)));
  for (const SessionStore::Move& move :
       PlanQueue(queue, *deps_.view->Get(), settings_.images_can_be_pulled, seed_)) {
    PADDOCK_RETURN_IF_ERROR(Place(move));
  }
  seed_ += queue.size();
  return absl::OkStatus();
}

absl::Status Reconciler::Place(const SessionStore::Move& move) {
  PADDOCK_ASSIGN_OR_RETURN(const std::optional<RunOrder> run, deps_.sessions->Place(move));
  deps_.hub->Notify(WatchKind::kSession, move.id.value());
  if (!run.has_value()) return absl::OkStatus();
  LogInfo("session placed", {{"session_id", move.id.value()},
                             {"generation", run->spec.generation},
                             {"node_id", run->node.id.value()},
                             {"node_lost", move.lost_node_counter.has_value()}});
  deps_.driver->Start(*run, [](const absl::StatusOr<TransitionResult>&) {});
  return absl::OkStatus();
}

absl::Status Reconciler::Drains() {
  const NodeView::Nodes nodes = deps_.view->Get();
  for (const Node& node : *nodes) {
    if (!node.draining) continue;
    PADDOCK_ASSIGN_OR_RETURN(const std::vector<RunningSession> sessions,
                             deps_.fleet->RunsOn(node.id, kBatch));
    if (sessions.empty()) continue;
    // After those that leave, so that one that is released in between is counted twice, not never.
    PADDOCK_ASSIGN_OR_RETURN(const std::vector<QueuedSession> queue,
                             deps_.fleet->Queue(kQueueLimit));
    absl::StatusOr<std::vector<TransitionResult>> applied =
        deps_.driver->Apply(PlanDrain(node, sessions, CountDisplaced(queue), deps_.clock->Now()));
    if (!applied.ok()) return applied.status();
  }
  return absl::OkStatus();
}

absl::Status Reconciler::Losses() {
  // Read here and now: the view may be older than the lease. The detector sees a failed read as a
  // gap.
  PADDOCK_RETURN_IF_ERROR(deps_.view->RefreshIfOlder(absl::ZeroDuration()));
  const absl::Duration now = deps_.clock->Monotonic();
  const NodeView::Nodes nodes = deps_.view->Get();
  PADDOCK_ASSIGN_OR_RETURN(const auto runs, deps_.fleet->RunCounts(detector_.Silent(now, *nodes)));
  PADDOCK_RETURN_IF_ERROR(Gone(now, *nodes));
  for (const LossDetector::Lost& lost : detector_.Observe(now, *nodes, runs)) {
    PADDOCK_ASSIGN_OR_RETURN(const std::vector<RunningSession> sessions,
                             deps_.fleet->RunsOn(lost.id, kBatch));
    for (const SessionStore::Move& move :
         PlanLost(lost.id, lost.heartbeat_counter, sessions, *nodes, settings_.images_can_be_pulled,
                  seed_++)) {
      PADDOCK_RETURN_IF_ERROR(Place(move));
    }
    absl::StatusOr<std::vector<TransitionResult>> ended =
        deps_.driver->Apply(PlanNeverStarted(sessions));
    if (!ended.ok()) return ended.status();
  }
  return absl::OkStatus();
}

absl::Status Reconciler::Gone(absl::Duration now, const std::vector<Node>& nodes) {
  if (!deps_.node_listing) return absl::OkStatus();
  for (const GoneDetector::Gone& gone : gone_detector_.Observe(now, nodes, ReadListing())) {
    PADDOCK_ASSIGN_OR_RETURN(const bool marked,
                             deps_.nodes->MarkSilentGone(gone.id, gone.heartbeat_counter));
    if (!marked) continue;
    LogWarning("node is gone: so is its Node object",
               {{"node_id", gone.id.value()}, {"object", gone.object}});
  }
  return absl::OkStatus();
}

std::optional<NodeListing> Reconciler::ReadListing() {
  const absl::StatusOr<std::string> text = deps_.node_listing();
  absl::StatusOr<NodeListing> listing = text.ok() ? ParseNodeListing(*text) : text.status();
  if (!listing.ok() && !listing_failed_) {
    LogWarning("Node objects aren't known", {{"error", listing.status().ToString()}});
  }
  listing_failed_ = !listing.ok();
  if (!listing.ok()) return std::nullopt;
  return *std::move(listing);
}

absl::Status Reconciler::Stuck() {
  for (SessionPhase phase : {SessionPhase::kPending, SessionPhase::kStarting,
                             SessionPhase::kRescheduling, SessionPhase::kStopping}) {
    PADDOCK_ASSIGN_OR_RETURN(const std::vector<StuckSession> stuck,
                             deps_.fleet->Stuck(phase, BoundOf(phase, settings_), kBatch));
    std::vector<SessionTransition> transitions;
    for (const StuckSession& session : stuck) transitions.push_back(PlanStuck(session));
    absl::StatusOr<std::vector<TransitionResult>> applied = deps_.driver->Apply(transitions);
    if (!applied.ok()) return applied.status();
  }
  return absl::OkStatus();
}

absl::Status Reconciler::Stops() {
  PADDOCK_ASSIGN_OR_RETURN(const std::vector<StopOrder> stops,
                           deps_.fleet->UnconfirmedStops(kStopRetryAge, kBatch));
  for (const StopOrder& stop : stops) deps_.driver->Stop(stop, [](const absl::Status&) {});
  return absl::OkStatus();
}

absl::Status Reconciler::Expire() { return deps_.fleet->Expire(kExpireLimit).status(); }

}  // namespace paddock
