#pragma once

#include "controlplane/api/dispatcher.h"
#include "controlplane/core/agent_operations.h"
#include "paddock/v1/agent.grpc.pb.h"

namespace paddock {

// Agents over gRPC. Thread-safe; arguments must outlive it.
class AgentServiceImpl final : public v1::AgentService::CallbackService {
 public:
  AgentServiceImpl(Dispatcher* dispatcher, AgentOperations* agents)
      : dispatcher_(dispatcher), agents_(agents) {}

  grpc::ServerUnaryReactor* CreateAgent(grpc::CallbackServerContext* context,
                                        const v1::CreateAgentRequest* request,
                                        v1::Agent* response) override;
  grpc::ServerUnaryReactor* GetAgent(grpc::CallbackServerContext* context,
                                     const v1::GetAgentRequest* request,
                                     v1::Agent* response) override;
  grpc::ServerUnaryReactor* ListAgents(grpc::CallbackServerContext* context,
                                       const v1::ListAgentsRequest* request,
                                       v1::ListAgentsResponse* response) override;
  grpc::ServerUnaryReactor* ListAgentVersions(grpc::CallbackServerContext* context,
                                              const v1::ListAgentVersionsRequest* request,
                                              v1::ListAgentVersionsResponse* response) override;
  grpc::ServerUnaryReactor* UpdateAgent(grpc::CallbackServerContext* context,
                                        const v1::UpdateAgentRequest* request,
                                        v1::Agent* response) override;
  grpc::ServerUnaryReactor* ArchiveAgent(grpc::CallbackServerContext* context,
                                         const v1::ArchiveAgentRequest* request,
                                         v1::Agent* response) override;

 private:
  Dispatcher* const dispatcher_;
  AgentOperations* const agents_;
};

}  // namespace paddock
