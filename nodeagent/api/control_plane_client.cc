#include "nodeagent/api/control_plane_client.h"

#include <algorithm>
#include <utility>

#include "common/await_for.h"
#include "common/clock.h"
#include "common/grpc_status.h"
#include "common/log.h"
#include "nodeagent/api/conversions.h"

namespace paddock::nodeagent {
namespace {

namespace pb = internal::v1;

constexpr absl::Duration kRetryInitial = absl::Milliseconds(200);
constexpr absl::Duration kRetryMaximum = absl::Seconds(5);
constexpr absl::Duration kShortestInterval = absl::Milliseconds(20);
constexpr absl::Duration kLongestInterval = absl::Minutes(1);

template <typename Request>
void AddStatuses(const StatusReport& report, Request* request) {
  for (const SessionStatus& status : report.statuses) {
    StatusToProto(status, request->add_sessions());
  }
}

// Whether a put or stop is settled here for good, though refused: asking again changes nothing.
bool IsSettled(const absl::Status& status) {
  return status.ok() || absl::IsFailedPrecondition(status) || absl::IsInvalidArgument(status);
}

}  // namespace

ControlPlaneClient::ControlPlaneClient(std::vector<std::unique_ptr<Stub>> replicas,
                                       NodeDescription description, SessionManager* manager,
                                       GatewayClient* gateway, SessionMetrics* metrics,
                                       std::function<void()> on_superseded)
    : replicas_(std::move(replicas)),
      description_(std::move(description)),
      manager_(manager),
      gateway_(gateway),
      metrics_(metrics),
      on_superseded_(std::move(on_superseded)) {}

ControlPlaneClient::~ControlPlaneClient() {
  {
    absl::MutexLock lock(&mutex_);
    stop_ = true;
  }
  if (beat_thread_.joinable()) beat_thread_.join();
  if (report_thread_.joinable()) report_thread_.join();
  if (registered() && !superseded_) SayGoodbye();
}

void ControlPlaneClient::Start() {
  beat_thread_ = std::thread([this] { BeatLoop(); });
  report_thread_ = std::thread([this] { ReportLoop(); });
}

void ControlPlaneClient::Wake() {
  absl::MutexLock lock(&mutex_);
  wake_ = true;
}

bool ControlPlaneClient::registered() const {
  absl::MutexLock lock(&mutex_);
  return registered_;
}

bool ControlPlaneClient::Sleep(absl::Duration duration) {
  absl::MutexLock lock(&mutex_);
  return !AwaitFor(&mutex_, absl::Condition(&stop_), duration);
}

template <typename Request, typename Response>
absl::Status ControlPlaneClient::Call(grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                                   const Request&, Response*),
                                      const Request& request, Response* response,
                                      absl::Duration timeout) {
  size_t replica;
  {
    absl::MutexLock lock(&mutex_);
    replica = replica_;
  }
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(Clock::Real()->Now() + timeout));
  const grpc::Status status = (replicas_[replica].get()->*method)(&context, request, response);
  if (!status.ok()) {
    absl::MutexLock lock(&mutex_);
    if (replica_ == replica) replica_ = (replica + 1) % replicas_.size();
  }
  return FromGrpcStatus(status);
}

void ControlPlaneClient::BeatLoop() {
  Backoff backoff(kRetryInitial, kRetryMaximum);
  bool go_on = true;
  while (go_on && !superseded_) {
    const bool ok = registered() ? Beat() : Register();
    if (!ok) {
      go_on = Sleep(std::min(backoff.Next(random_), std::max(interval_, kRetryInitial)));
      continue;
    }
    backoff.Reset();
    // The first beat follows the registration at once.
    go_on = sequence_ == 0 || Sleep(interval_ * absl::Uniform(random_, 0.9, 1.0));
  }
}

bool ControlPlaneClient::Register() {
  pb::RegisterRequest request = description_.registration;
  request.clear_images();
  for (const std::string& image : description_.images()) request.add_images(image);
  const StatusReport report = manager_->ReportAll();
  AddStatuses(report, &request);
  const absl::Status status = Call(&Stub::Register, request, &first_answer_);
  if (!status.ok()) {
    LogFailure("can't register with the control plane", status);
    return false;
  }
  if (first_answer_.superseded()) {
    Superseded();
    return true;
  }
  LogInfo("registered with the control plane", {{"node_id", request.node_id()},
                                                {"epoch", request.epoch()},
                                                {"sessions", report.statuses.size()},
                                                {"revision", first_answer_.revision()}});
  has_first_answer_ = true;
  sequence_ = 0;
  applied_revision_ = 0;
  absl::MutexLock lock(&mutex_);
  registered_ = true;
  return true;
}

pb::HeartbeatRequest ControlPlaneClient::NextHeartbeat(StatusReport* report) {
  pb::HeartbeatRequest request;
  request.set_node_id(description_.registration.node_id());
  request.set_epoch(description_.registration.epoch());
  request.set_sequence(++sequence_);
  // Read before the sessions are: whatever is applied by then is among them.
  request.set_applied_revision(applied_revision_);
  request.set_not_schedulable_reason(description_.not_schedulable_reason());
  for (const std::string& image : description_.images()) request.add_images(image);
  *report = manager_->ReportAll();
  AddStatuses(*report, &request);
  return request;
}

void ControlPlaneClient::SayGoodbye() {
  StatusReport report;
  pb::HeartbeatRequest request = NextHeartbeat(&report);
  request.set_not_schedulable_reason("Its agent has ended; it takes work when it is back.");
  pb::HeartbeatResponse answer;
  const absl::Status status = Call(&Stub::Heartbeat, request, &answer, kGoodbyeTimeout);
  if (!status.ok()) LogWarning("can't say goodbye", {{"error", status.ToString()}});
}

bool ControlPlaneClient::Beat() {
  StatusReport report;
  const pb::HeartbeatRequest request = NextHeartbeat(&report);
  const absl::Duration sent_at = description_.boot_time();
  pb::HeartbeatResponse answer;
  const absl::Status status = Call(&Stub::Heartbeat, request, &answer);
  metrics_->HeartbeatDone(status.ok() ? "ok" : "failed");
  if (!status.ok()) {
    LogFailure("heartbeat failed", status);
    if (absl::IsNotFound(status) || absl::IsFailedPrecondition(status)) {
      // The control plane doesn't know this epoch.
      absl::MutexLock lock(&mutex_);
      registered_ = false;
    }
    return false;
  }
  if (std::exchange(failures_, 0) > 0) LogInfo("the control plane answers again");
  manager_->Acknowledge(report);
  HandleAnswer(answer, sent_at);
  return true;
}

void ControlPlaneClient::HandleAnswer(const pb::HeartbeatResponse& answer, absl::Duration sent_at) {
  if (answer.superseded()) return Superseded();
  if (answer.has_heartbeat_interval()) {
    interval_ = std::clamp(DurationFromProto(answer.heartbeat_interval()), kShortestInterval,
                           kLongestInterval);
  }
  std::vector<const pb::DesiredSession*> stops, others;
  const auto sort = [&](const pb::DesiredSession& desired) {
    (desired.has_stop() ? stops : others).push_back(&desired);
  };
  if (has_first_answer_) {
    for (const pb::DesiredSession& desired : first_answer_.desired()) sort(desired);
  }
  for (const pb::DesiredSession& desired : answer.desired()) sort(desired);
  // Stops before the fence: a delayed start of what was moved away meanwhile is refused by either,
  // at every moment.
  bool applied = true;
  for (const pb::DesiredSession* stop : stops) applied = Apply(*stop) && applied;
  if (answer.has_fence_after()) {
    // Before anything is started: a RESCHEDULE session needs a deadline that lies ahead.
    const absl::Status fenced =
        gateway_->RenewFence(sent_at, DurationFromProto(answer.fence_after()));
    if (!fenced.ok()) LogWarning("can't renew the fence", {{"error", fenced.ToString()}});
  }
  for (const pb::DesiredSession* desired : others) applied = Apply(*desired) && applied;
  if (!applied) return;  // It is sent again.
  has_first_answer_ = false;
  applied_revision_ = std::max(applied_revision_, answer.revision());
}

void ControlPlaneClient::LogFailure(absl::string_view what, const absl::Status& status) {
  // An outage may last; the first is said, and then one in a while.
  if (failures_++ % kFailuresPerLine != 0) return;
  LogWarning(what, {{"error", status.ToString()}, {"failures", failures_}});
}

void ControlPlaneClient::Superseded() {
  superseded_ = true;
  LogError("another agent has taken over this node; ending");
  on_superseded_();
}

bool ControlPlaneClient::Apply(const pb::DesiredSession& desired) {
  switch (desired.desired_case()) {
    case pb::DesiredSession::kRun:
      return Run(desired.run());
    case pb::DesiredSession::kStop:
      return Stop(desired.stop());
    case pb::DesiredSession::DESIRED_NOT_SET:
      LogError("desired state that this agent doesn't know", {{"revision", desired.revision()}});
      return false;
  }
  return false;
}

bool ControlPlaneClient::Run(const pb::SessionSpec& proto) {
  const absl::StatusOr<SessionSpec> spec = SpecFromProto(proto);
  if (!spec.ok()) return IsSettled(spec.status());
  return IsSettled(manager_->Put(*spec, nullptr));
}

bool ControlPlaneClient::Stop(const pb::StopSessionRequest& stop) {
  return IsSettled(manager_->Stop(stop.session_id(), stop.generation(), nullptr));
}

void ControlPlaneClient::ReportLoop() {
  Backoff backoff(kRetryInitial, kRetryMaximum);
  absl::BitGen random;
  const auto has_news = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return stop_ || (wake_ && registered_);
  };
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(&has_news));
      if (stop_) return;
      wake_ = false;
    }
    if (Report()) {
      backoff.Reset();
    } else {
      Wake();
      if (!Sleep(backoff.Next(random))) return;
    }
  }
}

bool ControlPlaneClient::Report() {
  const StatusReport report = manager_->ReportUnacknowledged();
  if (report.statuses.empty()) return true;
  pb::ReportSessionsRequest request;
  request.set_node_id(description_.registration.node_id());
  request.set_epoch(description_.registration.epoch());
  AddStatuses(report, &request);
  pb::ReportSessionsResponse response;
  const absl::Status status = Call(&Stub::ReportSessions, request, &response);
  if (!status.ok()) {
    LogWarning("can't report sessions yet",
               {{"sessions", report.statuses.size()}, {"error", status.ToString()}});
    return false;
  }
  manager_->Acknowledge(report);
  return true;
}

}  // namespace paddock::nodeagent
