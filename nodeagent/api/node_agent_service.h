#pragma once

#include "common/rpc_metrics.h"
#include "nodeagent/build/layer_builder.h"
#include "nodeagent/session/egress_archive.h"
#include "nodeagent/session/egress_feed.h"
#include "nodeagent/session/exec_service.h"
#include "nodeagent/session/session_manager.h"
#include "paddock/internal/v1/node.grpc.pb.h"

namespace paddock::nodeagent {

// The NodeAgent service: checks the caller's role, converts, and leaves the rest to the session
// manager, the exec service and the layer builder. Nothing here blocks. Thread-safe.
class NodeAgentService final : public internal::v1::NodeAgent::CallbackService {
 public:
  // Not owned.
  NodeAgentService(SessionManager* manager, ExecService* execs, LayerBuilder* builder,
                   EgressFeed* egress, EgressArchive* archive, RpcMetrics* metrics)
      : manager_(manager),
        execs_(execs),
        builder_(builder),
        egress_(egress),
        archive_(archive),
        metrics_(metrics) {}

  grpc::ServerUnaryReactor* PutSession(grpc::CallbackServerContext* context,
                                       const internal::v1::PutSessionRequest* request,
                                       internal::v1::PutSessionResponse* response) override;
  grpc::ServerUnaryReactor* StopSession(grpc::CallbackServerContext* context,
                                        const internal::v1::StopSessionRequest* request,
                                        internal::v1::StopSessionResponse* response) override;
  grpc::ServerBidiReactor<internal::v1::NodeExecRequest, v1::ExecResponse>* Exec(
      grpc::CallbackServerContext* context) override;
  grpc::ServerWriteReactor<v1::ReadFileResponse>* ReadFile(
      grpc::CallbackServerContext* context,
      const internal::v1::NodeReadFileRequest* request) override;
  grpc::ServerReadReactor<internal::v1::NodeWriteFileRequest>* WriteFile(
      grpc::CallbackServerContext* context, v1::WriteFileResponse* response) override;
  grpc::ServerUnaryReactor* ListDirectory(grpc::CallbackServerContext* context,
                                          const internal::v1::NodeListDirectoryRequest* request,
                                          v1::ListDirectoryResponse* response) override;
  grpc::ServerWriteReactor<internal::v1::BuildLayerEvent>* BuildLayer(
      grpc::CallbackServerContext* context,
      const internal::v1::BuildLayerRequest* request) override;

  grpc::ServerUnaryReactor* ListEgressEvents(
      grpc::CallbackServerContext* context,
      const internal::v1::NodeListEgressEventsRequest* request,
      internal::v1::NodeListEgressEventsResponse* response) override;
  grpc::ServerWriteReactor<internal::v1::NodeEgressEvent>* WatchEgress(
      grpc::CallbackServerContext* context,
      const internal::v1::NodeListEgressEventsRequest* request) override;

 private:
  // Counts the call's begin; the result, called once at its end, its duration and code.
  std::function<void(absl::StatusCode)> Measure(const char* method);
  // Nobody can ask for the events of a deleted session.
  void ForgetEvents(const internal::v1::StopSessionRequest& request);

  SessionManager* const manager_;
  ExecService* const execs_;
  LayerBuilder* const builder_;
  EgressFeed* const egress_;
  EgressArchive* const archive_;
  RpcMetrics* const metrics_;
};

}  // namespace paddock::nodeagent
