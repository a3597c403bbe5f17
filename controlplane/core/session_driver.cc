#include "controlplane/core/session_driver.h"

#include <utility>

#include "common/log.h"
#include "common/status_macros.h"
#include "controlplane/core/status_rules.h"

namespace paddock {
namespace {

// What an answer to PutSession means for the session; an error when nothing is known.
absl::StatusOr<SessionTransition> Interpret(const RunOrder& run,
                                            const absl::StatusOr<SessionStatus>& answer) {
  if (answer.ok()) {
    std::optional<SessionTransition> transition = TransitionFor(*answer, run.spec.on_node_loss);
    if (!transition.has_value()) return absl::UnavailableError("still starting");
    // Only this generation was asked for, whatever the agent says.
    transition->id = run.spec.session_id;
    transition->generation = run.spec.generation;
    return *std::move(transition);
  }
  SessionTransition transition;
  transition.id = run.spec.session_id;
  transition.generation = run.spec.generation;
  transition.message = std::string(answer.status().message());
  switch (answer.status().code()) {
    case absl::StatusCode::kResourceExhausted:
      transition.to = SessionPhase::kRescheduling;
      transition.reason = "NODE_REFUSED";
      transition.stop_reason = transition.reason;
      return transition;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kUnimplemented:
      transition.to = SessionPhase::kTerminated;
      transition.reason = kReasonStartFailed;
      transition.stop_reason = transition.reason;
      return transition;
    default:
      // It may run or not, or is stopped already: reports will tell.
      return answer.status();
  }
}

}  // namespace

void SessionDriver::Start(const RunOrder& run, StartCallback callback) {
  deps_.client->PutSession(
      run.node, run.spec, run.node_revision, settings_.put_deadline,
      [this, run, callback = std::move(callback)](absl::StatusOr<SessionStatus> answer) {
        deps_.executor->Run(
            [this, run, callback, answer = std::move(answer)] { callback(Record(run, answer)); });
      });
}

// Whether the node is one to give work to, as its answer shows.
void SessionDriver::Judge(const NodeId& node, const absl::StatusOr<SessionStatus>& answer) {
  const bool unreachable =
      absl::IsUnavailable(answer.status()) || absl::IsDeadlineExceeded(answer.status());
  const bool fails = answer.ok() && answer->state == SessionPhase::kTerminated &&
                     answer->reason == kReasonStartFailed;
  if (unreachable || fails) {
    deps_.view->Avoid(node);
  } else if (answer.ok()) {
    deps_.view->Trust(node);
  }
}

absl::StatusOr<TransitionResult> SessionDriver::Record(
    const RunOrder& run, const absl::StatusOr<SessionStatus>& answer) {
  Judge(run.node.id, answer);
  if (answer.ok()) {
    for (const auto& [step, duration] : answer->step_durations) {
      deps_.metrics->ObserveStep(step, duration);
    }
  }
  absl::StatusOr<SessionTransition> transition = Interpret(run, answer);
  if (!transition.ok()) {
    LogWarning("start not confirmed", {{"session_id", run.spec.session_id.value()},
                                       {"generation", run.spec.generation},
                                       {"node_id", run.node.id.value()},
                                       {"error", transition.status().ToString()}});
    return transition.status();
  }
  PADDOCK_ASSIGN_OR_RETURN(std::vector<TransitionResult> results, Apply({*transition}));
  return std::move(results[0]);
}

absl::StatusOr<std::vector<TransitionResult>> SessionDriver::Apply(
    const std::vector<SessionTransition>& transitions) {
  PADDOCK_ASSIGN_OR_RETURN(std::vector<TransitionResult> results, deps_.store->Apply(transitions));
  for (size_t i = 0; i < results.size(); ++i) {
    const TransitionResult& result = results[i];
    if (!result.applied) continue;
    const SessionTransition& transition = transitions[i];
    if (transition.to != SessionPhase::kRunning || !transition.reason.empty()) {
      LogInfo("session changed", {{"session_id", transition.id.value()},
                                  {"generation", transition.generation},
                                  {"state", SessionPhaseName(transition.to)},
                                  {"reason", transition.reason},
                                  {"detail", transition.message}});
    }
    deps_.hub->Notify(WatchKind::kSession, transition.id.value());
    if (transition.to == SessionPhase::kRescheduling && transition.reason == kReasonImageMissing) {
      deps_.image_missing(transition.id, transition.generation);
    }
    if (result.stop.has_value()) Stop(*result.stop, [](const absl::Status&) {});
  }
  return results;
}

void SessionDriver::Stop(const StopOrder& stop, StopCallback callback) {
  auto done = [this, stop, callback = std::move(callback)](const absl::Status& answer) {
    absl::Status status = answer;
    if (status.ok()) {
      status =
          deps_.store->ConfirmStopped(stop.node.id, stop.stop.session_id, stop.stop.generation);
    }
    if (status.ok()) {
      deps_.hub->Notify(WatchKind::kSession, stop.stop.session_id.value());
      deps_.wake_reconciler();
    } else {
      LogInfo("stop not confirmed yet", {{"session_id", stop.stop.session_id.value()},
                                         {"generation", stop.stop.generation},
                                         {"node_id", stop.node.id.value()},
                                         {"error", status.ToString()}});
    }
    callback(status);
  };
  deps_.client->StopSession(
      stop.node, stop.stop, settings_.stop_deadline,
      [this, done = std::move(done)](const absl::StatusOr<std::optional<SessionStatus>>& answer) {
        deps_.executor->Run([done, status = answer.status()] { done(status); });
      });
}

}  // namespace paddock
