#include "nodeagent/api/node_agent_service.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "common/clock.h"
#include "common/grpc_status.h"
#include "common/log.h"
#include "common/tls.h"
#include "nodeagent/api/build_layer_reactor.h"
#include "nodeagent/api/conversions.h"
#include "nodeagent/api/egress_conversions.h"
#include "nodeagent/api/exec_reactor.h"
#include "nodeagent/api/list_directory_call.h"
#include "nodeagent/api/read_file_reactor.h"
#include "nodeagent/api/watch_egress_reactor.h"
#include "nodeagent/api/write_file_reactor.h"

namespace paddock::nodeagent {
namespace {

namespace pb = internal::v1;

// Of one answer: below the message limit of 4 MiB.
constexpr int kMaxEvents = 1000;
// Why the control plane stops a session that its owner no longer sees.
constexpr absl::string_view kDeleted = "DELETED";

// Nobody but the control plane commands a node; other nodes' certificates are of the same CA.
absl::Status Admit(const grpc::CallbackServerContext& context) {
  return CheckPeerRole(*context.auth_context(), kControlPlaneRole);
}

// Finishes a unary call and its measurement.
class Answer {
 public:
  Answer(grpc::ServerUnaryReactor* reactor, std::function<void(absl::StatusCode)> done)
      : reactor_(reactor), done_(std::move(done)) {}
  void operator()(const absl::Status& status) const {
    done_(status.code());
    reactor_->Finish(ToGrpcStatus(status));
  }
  grpc::ServerUnaryReactor* reactor() const { return reactor_; }

 private:
  grpc::ServerUnaryReactor* reactor_;
  std::function<void(absl::StatusCode)> done_;
};

}  // namespace

std::function<void(absl::StatusCode)> NodeAgentService::Measure(const char* method) {
  metrics_->Started(method);
  return [metrics = metrics_, method, begun = Clock::Real()->Monotonic()](absl::StatusCode code) {
    metrics->Finished(method, code, Clock::Real()->Monotonic() - begun);
  };
}

grpc::ServerUnaryReactor* NodeAgentService::PutSession(grpc::CallbackServerContext* context,
                                                       const pb::PutSessionRequest* request,
                                                       pb::PutSessionResponse* response) {
  const Answer answer(context->DefaultReactor(), Measure("PutSession"));
  const absl::Status admitted = Admit(*context);
  const absl::StatusOr<SessionSpec> spec =
      admitted.ok() ? SpecFromProto(request->spec()) : absl::StatusOr<SessionSpec>(admitted);
  if (!spec.ok()) {
    answer(spec.status());
    return answer.reactor();
  }
  const absl::Status put =
      manager_->Put(*spec, [answer, response](absl::StatusOr<SessionStatus> status) {
        if (status.ok()) StatusToProto(*status, response->mutable_status());
        answer(status.status());
      });
  if (!put.ok()) answer(put);
  return answer.reactor();
}

grpc::ServerUnaryReactor* NodeAgentService::StopSession(grpc::CallbackServerContext* context,
                                                        const pb::StopSessionRequest* request,
                                                        pb::StopSessionResponse* response) {
  const Answer answer(context->DefaultReactor(), Measure("StopSession"));
  if (absl::Status admitted = Admit(*context); !admitted.ok()) {
    answer(admitted);
    return answer.reactor();
  }
  const absl::Status stopped = manager_->Stop(
      request->session_id(), request->generation(),
      [this, answer, request, response](absl::StatusOr<std::optional<SessionStatus>> last) {
        if (last.ok()) ForgetEvents(*request);
        if (last.ok() && last->has_value()) StatusToProto(**last, response->mutable_status());
        answer(last.status());
      });
  if (!stopped.ok()) answer(stopped);
  return answer.reactor();
}

grpc::ServerBidiReactor<pb::NodeExecRequest, v1::ExecResponse>* NodeAgentService::Exec(
    grpc::CallbackServerContext* context) {
  absl::Status admitted = Admit(*context);
  if (!admitted.ok()) return ExecReactor::Refuse(admitted, Measure("Exec"));
  return new ExecReactor(execs_, Measure("Exec"));
}

grpc::ServerWriteReactor<v1::ReadFileResponse>* NodeAgentService::ReadFile(
    grpc::CallbackServerContext* context, const pb::NodeReadFileRequest* request) {
  return new ReadFileReactor(Admit(*context), execs_, *request, Measure("ReadFile"));
}

grpc::ServerReadReactor<pb::NodeWriteFileRequest>* NodeAgentService::WriteFile(
    grpc::CallbackServerContext* context, v1::WriteFileResponse* response) {
  return new WriteFileReactor(Admit(*context), execs_, response, Measure("WriteFile"));
}

grpc::ServerUnaryReactor* NodeAgentService::ListDirectory(
    grpc::CallbackServerContext* context, const pb::NodeListDirectoryRequest* request,
    v1::ListDirectoryResponse* response) {
  const Answer answer(context->DefaultReactor(), Measure("ListDirectory"));
  if (absl::Status admitted = Admit(*context); !admitted.ok()) {
    answer(admitted);
    return answer.reactor();
  }
  ListDirectoryCall::Run(execs_, *request, response,
                         [answer](const absl::Status& status) { answer(status); });
  return answer.reactor();
}

grpc::ServerWriteReactor<pb::BuildLayerEvent>* NodeAgentService::BuildLayer(
    grpc::CallbackServerContext* context, const pb::BuildLayerRequest* request) {
  return new BuildLayerReactor(Admit(*context), builder_, *request, Measure("BuildLayer"));
}

grpc::ServerUnaryReactor* NodeAgentService::ListEgressEvents(
    grpc::CallbackServerContext* context, const pb::NodeListEgressEventsRequest* request,
    pb::NodeListEgressEventsResponse* response) {
  const Answer answer(context->DefaultReactor(), Measure("ListEgressEvents"));
  if (absl::Status admitted = Admit(*context); !admitted.ok()) {
    answer(admitted);
    return answer.reactor();
  }
  const int limit = std::clamp(request->limit(), 1, kMaxEvents);
  egress_->List(request->session_id(), request->generation(), request->before_sequence(), limit,
                [answer, response](absl::StatusOr<EgressPage> page) {
                  if (page.ok()) {
                    for (const EgressEvent& event : page->events) {
                      EventToProto(event, response->add_events());
                    }
                    response->set_more(page->more);
                  }
                  answer(page.status());
                });
  return answer.reactor();
}

grpc::ServerWriteReactor<pb::NodeEgressEvent>* NodeAgentService::WatchEgress(
    grpc::CallbackServerContext* context, const pb::NodeListEgressEventsRequest* request) {
  return WatchEgressReactor::Start(Admit(*context), egress_, *request, Measure("WatchEgress"));
}

void NodeAgentService::ForgetEvents(const pb::StopSessionRequest& request) {
  if (request.reason() != kDeleted) return;
  if (absl::Status removed = archive_->Remove(request.session_id()); !removed.ok()) {
    LogWarning("can't remove a deleted session's egress events",
               {{"session_id", request.session_id()}, {"error", removed.ToString()}});
  }
}

}  // namespace paddock::nodeagent
