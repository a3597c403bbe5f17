#include "tests/integration/fake_fleet.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "common/status_macros.h"

namespace paddock {

void FakeFleet::PutSession(const NodeTarget& node, const SessionSpec& spec, int64_t revision,
                           absl::Duration deadline, PutCallback callback) {
  absl::StatusOr<SessionStatus> answer = absl::UnavailableError("no such agent");
  {
    absl::MutexLock lock(&mutex_);
    auto it = agents_.find(node.id);
    if (it != agents_.end()) {
      Agent& agent = it->second;
      if (agent.behaviour == Behaviour::kHold) {
        agent.held.push_back([=] { PutSession(node, spec, revision, deadline, callback); });
        return;
      }
      if (agent.behaviour == Behaviour::kRefuse) {
        answer = absl::ResourceExhaustedError("no slot");
      } else if (Hears(agent.behaviour)) {
        answer = Run(agent, spec);
      }
    }
  }
  callback(std::move(answer));
}

absl::StatusOr<SessionStatus> FakeFleet::Run(Agent& agent, const SessionSpec& spec) {
  auto tombstone = agent.tombstones.find(spec.session_id);
  if (tombstone != agent.tombstones.end() && tombstone->second >= spec.generation) {
    return absl::FailedPreconditionError("stopped before");
  }
  auto found = agent.containers.find(spec.session_id);
  if (found != agent.containers.end() && found->second.spec.generation >= spec.generation) {
    return found->second.status;
  }
  Container container{spec, {}};
  container.status.session_id = spec.session_id;
  container.status.generation = spec.generation;
  container.status.state = SessionPhase::kRunning;
  if (agent.behaviour == Behaviour::kFail) {
    container.status.state = SessionPhase::kTerminated;
    container.status.reason = "START_FAILED";
    container.status.message = "pretended";
  }
  agent.containers[spec.session_id] = container;
  CheckTwice(spec.session_id);
  return container.status;
}

void FakeFleet::CheckTwice(const SessionId& session) {
  int count = 0;
  for (const auto& [id, agent] : agents_) {
    auto it = agent.containers.find(session);
    if (it != agent.containers.end() && it->second.status.state == SessionPhase::kRunning) ++count;
  }
  twice_ = twice_ || count > 1;
}

void FakeFleet::Stop(Agent& agent, const SessionStop& stop) {
  int64_t& tombstone = agent.tombstones[stop.session_id];
  tombstone = std::max(tombstone, stop.generation);
  auto it = agent.containers.find(stop.session_id);
  if (it != agent.containers.end() && it->second.spec.generation <= stop.generation) {
    agent.containers.erase(it);
  }
}

void FakeFleet::StopSession(const NodeTarget& node, const SessionStop& stop,
                            absl::Duration deadline, StopCallback callback) {
  absl::StatusOr<std::optional<SessionStatus>> answer = absl::UnavailableError("no such agent");
  {
    absl::MutexLock lock(&mutex_);
    auto it = agents_.find(node.id);
    if (it != agents_.end() && Hears(it->second.behaviour)) {
      Stop(it->second, stop);
      answer = std::optional<SessionStatus>();
    }
  }
  callback(std::move(answer));
}

std::shared_ptr<NodeCall> FakeFleet::BuildLayer(const NodeTarget& node, const LayerOrder& order,
                                                absl::Duration, LineCallback on_line,
                                                BuildCallback callback) {
  class EndedCall : public NodeCall {
    void Cancel() override {}
  };
  absl::StatusOr<BuildOutcome> answer = absl::UnavailableError("no such agent");
  {
    absl::MutexLock lock(&mutex_);
    auto it = agents_.find(node.id);
    if (it != agents_.end() && Hears(it->second.behaviour)) {
      BuiltLayer built;
      built.digest = absl::StrCat("layer:", order.cache_key);
      it->second.registration.images.push_back(built.digest);
      answer = BuildOutcome(built);
    }
  }
  if (answer.ok()) on_line("built");
  callback(std::move(answer));
  return std::make_shared<EndedCall>();
}

absl::StatusOr<HeartbeatAnswer> FakeFleet::Join(NodeRegistry* registry,
                                                NodeRegistration registration) {
  {
    absl::MutexLock lock(&mutex_);
    Agent& agent = agents_[registration.id];
    agent.registration = registration;
    agent.sequence = 0;
    agent.applied = 0;
    registration.sessions = Statuses(agent);
  }
  PADDOCK_ASSIGN_OR_RETURN(HeartbeatAnswer answer, registry->Register(registration));
  absl::MutexLock lock(&mutex_);
  ApplyDesired(agents_[registration.id], answer);
  return answer;
}

void FakeFleet::ApplyDesired(Agent& agent, const HeartbeatAnswer& answer) {
  for (const DesiredSession& entry : answer.desired) {
    if (const auto* stop = std::get_if<SessionStop>(&entry.desired)) {
      Stop(agent, *stop);
    } else if (agent.behaviour != Behaviour::kHold) {
      (void)Run(agent, std::get<SessionSpec>(entry.desired));
    }
  }
  if (agent.behaviour != Behaviour::kHold) agent.applied = answer.revision;
}

absl::Status FakeFleet::Beat(NodeRegistry* registry, const NodeId& node) {
  HeartbeatReport report;
  {
    absl::MutexLock lock(&mutex_);
    Agent& agent = agents_[node];
    if (agent.behaviour == Behaviour::kUnreachable) return absl::UnavailableError("cut off");
    report.id = node;
    report.epoch = agent.registration.epoch;
    report.sequence = ++agent.sequence;
    report.applied_revision = agent.applied;
    report.sessions = Statuses(agent);
    report.images = agent.registration.images;
  }
  absl::Notification done;
  absl::StatusOr<HeartbeatAnswer> answer = absl::UnknownError("");
  registry->Heartbeat(report, [&](absl::StatusOr<HeartbeatAnswer> result) {
    answer = std::move(result);
    done.Notify();
  });
  done.WaitForNotification();
  PADDOCK_RETURN_IF_ERROR(answer.status());
  if (answer->superseded) return absl::AbortedError("superseded");
  absl::MutexLock lock(&mutex_);
  ApplyDesired(agents_[node], *answer);
  return absl::OkStatus();
}

void FakeFleet::Set(const NodeId& node, Behaviour behaviour) {
  absl::MutexLock lock(&mutex_);
  agents_[node].behaviour = behaviour;
}

void FakeFleet::Release(const NodeId& node) {
  std::vector<std::function<void()>> held;
  {
    absl::MutexLock lock(&mutex_);
    agents_[node].behaviour = Behaviour::kRun;
    held.swap(agents_[node].held);
  }
  for (const auto& call : held) call();
}

absl::StatusOr<HeartbeatAnswer> FakeFleet::Reboot(NodeRegistry* registry, const NodeId& node) {
  NodeRegistration registration;
  {
    absl::MutexLock lock(&mutex_);
    Agent& agent = agents_[node];
    for (auto& [id, container] : agent.containers) {
      container.status.state = SessionPhase::kTerminated;
      container.status.reason = "NODE_REBOOTED";
    }
    ++agent.epochs;
    agent.behaviour = Behaviour::kRun;
    agent.registration.epoch = absl::StrCat("epoch-", agent.epochs);
    agent.registration.boot_id = absl::StrCat("boot-", agent.epochs);
    registration = agent.registration;
  }
  return Join(registry, registration);
}

void FakeFleet::Fence(const NodeId& node) {
  absl::MutexLock lock(&mutex_);
  for (auto& [id, container] : agents_[node].containers) {
    if (container.spec.on_node_loss != OnNodeLoss::kReschedule) continue;
    container.status.state = SessionPhase::kTerminated;
    container.status.reason = "FENCED";
  }
}

std::vector<SessionStatus> FakeFleet::Statuses(const Agent& agent) const {
  std::vector<SessionStatus> statuses;
  for (const auto& [id, container] : agent.containers) statuses.push_back(container.status);
  return statuses;
}

std::vector<SessionId> FakeFleet::RunningOn(const NodeId& node) const {
  absl::MutexLock lock(&mutex_);
  std::vector<SessionId> running;
  auto it = agents_.find(node);
  if (it == agents_.end()) return running;
  for (const auto& [id, container] : it->second.containers) {
    if (container.status.state == SessionPhase::kRunning) running.push_back(id);
  }
  return running;
}

int64_t FakeFleet::GenerationOn(const NodeId& node, const SessionId& session) const {
  absl::MutexLock lock(&mutex_);
  auto it = agents_.find(node);
  if (it == agents_.end()) return 0;
  auto container = it->second.containers.find(session);
  return container == it->second.containers.end() ? 0 : container->second.spec.generation;
}

bool FakeFleet::EverTwice() const {
  absl::MutexLock lock(&mutex_);
  return twice_;
}

}  // namespace paddock
