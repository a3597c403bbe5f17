#include "controlplane/api/agent_service.h"

#include "common/status_macros.h"
#include "controlplane/api/agent_convert.h"
#include "controlplane/api/request_convert.h"

namespace paddock {

grpc::ServerUnaryReactor* AgentServiceImpl::CreateAgent(grpc::CallbackServerContext* context,
                                                        const v1::CreateAgentRequest* request,
                                                        v1::Agent* response) {
  return dispatcher_->Unary(
      context, *request, "CreateAgent", Access::kWorkspace,
      [=](const Principal& caller) -> absl::Status {
        PADDOCK_ASSIGN_OR_RETURN(
            const Agent created,
            agents_->Create(caller.tenant, PatchOf(*request), IdempotencyOf(*request)));
        *response = ToProto(created);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* AgentServiceImpl::GetAgent(grpc::CallbackServerContext* context,
                                                     const v1::GetAgentRequest* request,
                                                     v1::Agent* response) {
  return dispatcher_->Unary(
      context, *request, "GetAgent", Access::kWorkspace,
      [=](const Principal& caller) -> absl::Status {
        PADDOCK_ASSIGN_OR_RETURN(
            const Agent found,
            agents_->Get(caller.tenant, AgentId(request->agent_id()), request->version()));
        *response = ToProto(found);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* AgentServiceImpl::ListAgents(grpc::CallbackServerContext* context,
                                                       const v1::ListAgentsRequest* request,
                                                       v1::ListAgentsResponse* response) {
  return dispatcher_->Unary(
      context, *request, "ListAgents", Access::kWorkspace,
      [=](const Principal& caller) -> absl::Status {
        PADDOCK_ASSIGN_OR_RETURN(
            const Page<Agent> page,
            agents_->List(caller.tenant, PageOf(*request), {ArchivedOf(*request), {}, {}}));
        for (const Agent& agent : page.items) *response->add_agents() = ToProto(agent);
        response->set_next_page_token(page.next_page_token);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* AgentServiceImpl::ListAgentVersions(
    grpc::CallbackServerContext* context, const v1::ListAgentVersionsRequest* request,
    v1::ListAgentVersionsResponse* response) {
  return dispatcher_->Unary(
      context, *request, "ListAgentVersions", Access::kWorkspace,
      [=](const Principal& caller) -> absl::Status {
        PADDOCK_ASSIGN_OR_RETURN(
            const Page<Agent> page,
            agents_->ListVersions(caller.tenant, AgentId(request->agent_id()), PageOf(*request)));
        for (const Agent& agent : page.items) *response->add_agents() = ToProto(agent);
        response->set_next_page_token(page.next_page_token);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* AgentServiceImpl::UpdateAgent(grpc::CallbackServerContext* context,
                                                        const v1::UpdateAgentRequest* request,
                                                        v1::Agent* response) {
  return dispatcher_->Unary(context, *request, "UpdateAgent", Access::kWorkspace,
                            [=](const Principal& caller) -> absl::Status {
                              PADDOCK_ASSIGN_OR_RETURN(const AgentPatch patch, PatchOf(*request));
                              PADDOCK_ASSIGN_OR_RETURN(
                                  const Agent updated,
                                  agents_->Update(caller.tenant, AgentId(request->agent_id()),
                                                  request->version(), patch));
                              *response = ToProto(updated);
                              return absl::OkStatus();
                            });
}

grpc::ServerUnaryReactor* AgentServiceImpl::ArchiveAgent(grpc::CallbackServerContext* context,
                                                         const v1::ArchiveAgentRequest* request,
                                                         v1::Agent* response) {
  return dispatcher_->Unary(context, *request, "ArchiveAgent", Access::kWorkspace,
                            [=](const Principal& caller) -> absl::Status {
                              PADDOCK_ASSIGN_OR_RETURN(
                                  const Agent archived,
                                  agents_->Archive(caller.tenant, AgentId(request->agent_id())));
                              *response = ToProto(archived);
                              return absl::OkStatus();
                            });
}

}  // namespace paddock
