#include "tests/bench/fleet/hollow_node.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/impl/server_builder_option.h>
#include <grpcpp/impl/server_builder_plugin.h>
#include <grpcpp/server_builder.h>

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/grpc_status.h"
#include "common/ids.h"
#include "common/proto_time.h"
#include "common/status_macros.h"

namespace paddock::bench {
namespace {

namespace pb = internal::v1;

constexpr absl::Duration kCallTimeout = absl::Seconds(10);
constexpr absl::Duration kRetryAfter = absl::Seconds(1);

// Reflection has threads of its own in every server.
class WithoutPlugins final : public grpc::ServerBuilderOption {
 public:
  void UpdateArguments(grpc::ChannelArguments*) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) override {
    plugins->clear();
  }
};

// What every call from the control plane begins with.
absl::Status Admit(const grpc::CallbackServerContext& context) {
  return CheckPeerRole(*context.auth_context(), kControlPlaneRole);
}

grpc::ServerUnaryReactor* Finish(grpc::CallbackServerContext* context, const absl::Status& status) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(ToGrpcStatus(status));
  return reactor;
}

}  // namespace

HollowNode::~HollowNode() { Leave(); }

absl::Status HollowNode::Serve(const TlsFiles& files) {
  PADDOCK_ASSIGN_OR_RETURN(const std::shared_ptr<TlsIdentity> identity,
                           TlsIdentity::Load(files, TlsIdentity::Rotation::kNone));
  grpc::ServerBuilder builder;
  builder.SetOption(std::make_unique<WithoutPlugins>());
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  // The control plane asks every ten seconds whether the connection lives.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 5'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddListeningPort("127.0.0.1:0", identity->MutualServer(), &port_);
  builder.RegisterService(this);
  server_ = builder.BuildAndStart();
  if (server_ == nullptr) return absl::UnavailableError("a hollow node can't listen");
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  registry_ = pb::NodeRegistry::NewStub(grpc::CreateCustomChannel(
      registry_address_, identity->MutualChannel(kControlPlaneRole), arguments));
  return absl::OkStatus();
}

void HollowNode::Join(std::function<void()> joined) {
  epoch_ = NewId("epoch_", absl::Now());
  joined_ = std::move(joined);
  Register();
}

void HollowNode::Leave() {
  {
    absl::MutexLock lock(&mutex_);
    left_ = true;
    mutex_.Await(absl::Condition(
        +[](bool* calling) { return !*calling; }, &calling_));
  }
  if (server_ == nullptr) return;
  server_->Shutdown(std::chrono::system_clock::now());
  server_->Wait();
  server_ = nullptr;
}

std::shared_ptr<HollowNode::Call> HollowNode::BeginCall() {
  absl::MutexLock lock(&mutex_);
  if (left_) return nullptr;
  calling_ = true;
  auto call = std::make_shared<Call>();
  call->context.set_deadline(absl::ToChronoTime(absl::Now() + kCallTimeout));
  return call;
}

void HollowNode::EndCall() {
  absl::MutexLock lock(&mutex_);
  calling_ = false;
}

void HollowNode::Register() {
  std::shared_ptr<Call> call = BeginCall();
  if (call == nullptr) return;
  pb::RegisterRequest& request = call->registration;
  request.set_node_id(node_id_);
  request.set_name(absl::StrCat("hollow-", node_id_.substr(node_id_.size() - 6)));
  request.set_address(absl::StrCat("127.0.0.1:", port_));
  request.set_epoch(epoch_);
  request.set_boot_id("hollow");
  request.mutable_capacity()->set_cpu_millis(64'000);
  request.mutable_capacity()->set_memory_bytes(int64_t{256} << 30);
  request.mutable_capacity()->set_disk_bytes(int64_t{4} << 40);
  request.mutable_capacity()->set_sessions(2'000);
  (*request.mutable_labels())["zone"] = absl::StrCat("zone-", port_ % 3);
  request.add_runtime_classes("crun");
  request.add_images("sha256:hollow");
  request.set_base_image("sha256:hollow");
  (*request.mutable_details())["runtime"] = "hollow";
  (*request.mutable_details())["platform"] = "linux/hollow";
  registry_->async()->Register(&call->context, &call->registration, &call->answer,
                               [this, call](const grpc::Status& status) {
                                 {
                                   absl::MutexLock lock(&mutex_);
                                   registered_ = status.ok();
                                   sequence_ = 0;
                                   applied_revision_ = 0;
                                 }
                                 Answered(call, status);
                               });
}

void HollowNode::Beat() {
  std::shared_ptr<Call> call = BeginCall();
  if (call == nullptr) return;
  pb::HeartbeatRequest& request = call->heartbeat;
  request.set_node_id(node_id_);
  request.set_epoch(epoch_);
  request.add_images("sha256:hollow");
  {
    absl::MutexLock lock(&mutex_);
    request.set_sequence(++sequence_);
    request.set_applied_revision(applied_revision_);
    request.mutable_sessions()->Reserve(static_cast<int>(sessions_.size()));
    for (const auto& [id, status] : sessions_) *request.add_sessions() = status;
  }
  registry_->async()->Heartbeat(&call->context, &call->heartbeat, &call->answer,
                                [this, call](const grpc::Status& status) {
                                  if (status.ok()) ++heartbeats_;
                                  Answered(call, status);
                                });
}

// The first heartbeat follows the registration at once, the others at random within the interval,
// as those of real agents do.
void HollowNode::Answered(const std::shared_ptr<Call>& call, const grpc::Status& status) {
  absl::Duration delay = kRetryAfter;
  bool registered = false;
  {
    absl::MutexLock lock(&mutex_);
    if (!status.ok()) {
      ++failed_;
      registered_ = registered_ && status.error_code() != grpc::StatusCode::NOT_FOUND &&
                    status.error_code() != grpc::StatusCode::FAILED_PRECONDITION;
    } else if (sequence_ == 0) {
      delay = absl::ZeroDuration();
    } else {
      delay = FromProtoDuration(call->answer.heartbeat_interval()).value_or(kRetryAfter) *
              absl::Uniform(random_, 0.9, 1.0);
    }
    registered = registered_;
  }
  if (status.ok()) {
    // The desired state of the registration comes again with the first heartbeat.
    if (call->registration.node_id().empty()) {
      Apply(call->answer);
      if (joined_) std::exchange(joined_, nullptr)();
    }
  }
  // Whoever waits in Leave may destroy this once the call has ended.
  TimerQueue* const timers = timers_;
  EndCall();
  timers->After(delay, [this, registered] { registered ? Beat() : Register(); });
}

void HollowNode::Apply(const pb::HeartbeatResponse& answer) {
  for (const pb::DesiredSession& desired : answer.desired()) {
    pb::SessionStatus status;
    if (desired.has_run()) (void)Run(desired.run(), &status);
    if (desired.has_stop()) Stop(desired.stop());
  }
  absl::MutexLock lock(&mutex_);
  applied_revision_ = std::max(applied_revision_, answer.revision());
}

absl::Status HollowNode::Run(const pb::SessionSpec& spec, pb::SessionStatus* status) {
  absl::MutexLock lock(&mutex_);
  const auto tombstone = tombstones_.find(spec.session_id());
  if (tombstone != tombstones_.end() && tombstone->second >= spec.generation()) {
    return absl::FailedPreconditionError("stopped before");
  }
  pb::SessionStatus& running = sessions_[spec.session_id()];
  if (running.generation() < spec.generation()) {
    running.set_session_id(spec.session_id());
    running.set_generation(spec.generation());
    running.set_phase(pb::SESSION_PHASE_RUNNING);
    *running.mutable_started_at() = ToTimestamp(absl::Now());
  }
  *status = running;
  return absl::OkStatus();
}

void HollowNode::Stop(const pb::StopSessionRequest& stop) {
  absl::MutexLock lock(&mutex_);
  int64_t& tombstone = tombstones_[stop.session_id()];
  tombstone = std::max(tombstone, stop.generation());
  const auto running = sessions_.find(stop.session_id());
  if (running != sessions_.end() && running->second.generation() <= stop.generation()) {
    sessions_.erase(running);
  }
}

size_t HollowNode::sessions() const {
  absl::MutexLock lock(&mutex_);
  return sessions_.size();
}

grpc::ServerUnaryReactor* HollowNode::PutSession(grpc::CallbackServerContext* context,
                                                 const pb::PutSessionRequest* request,
                                                 pb::PutSessionResponse* response) {
  absl::Status status = Admit(*context);
  if (status.ok()) status = Run(request->spec(), response->mutable_status());
  return Finish(context, status);
}

grpc::ServerUnaryReactor* HollowNode::StopSession(grpc::CallbackServerContext* context,
                                                  const pb::StopSessionRequest* request,
                                                  pb::StopSessionResponse*) {
  const absl::Status status = Admit(*context);
  if (status.ok()) Stop(*request);
  return Finish(context, status);
}

}  // namespace paddock::bench
