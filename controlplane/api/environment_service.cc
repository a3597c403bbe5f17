#include "controlplane/api/environment_service.h"

#include "common/status_macros.h"
#include "controlplane/api/environment_convert.h"
#include "controlplane/api/environment_stream.h"
#include "controlplane/api/request_convert.h"

namespace paddock {

grpc::ServerUnaryReactor* EnvironmentServiceImpl::CreateEnvironment(
    grpc::CallbackServerContext* context, const v1::CreateEnvironmentRequest* request,
    v1::Environment* response) {
  return dispatcher_->Unary(
      context, *request, "CreateEnvironment", Access::kWorkspace,
      [=](const Principal& caller) -> absl::Status {
        PADDOCK_ASSIGN_OR_RETURN(
            const Environment created,
            environments_->Create(caller.tenant, PatchOf(*request), IdempotencyOf(*request)));
        *response = ToProto(created);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* EnvironmentServiceImpl::GetEnvironment(
    grpc::CallbackServerContext* context, const v1::GetEnvironmentRequest* request,
    v1::Environment* response) {
  return dispatcher_->Unary(
      context, *request, "GetEnvironment", Access::kWorkspace,
      [=](const Principal& caller) -> absl::Status {
        PADDOCK_ASSIGN_OR_RETURN(
            const Environment found,
            environments_->Get(caller.tenant, EnvironmentId(request->environment_id())));
        *response = ToProto(found);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* EnvironmentServiceImpl::ListEnvironments(
    grpc::CallbackServerContext* context, const v1::ListEnvironmentsRequest* request,
    v1::ListEnvironmentsResponse* response) {
  return dispatcher_->Unary(
      context, *request, "ListEnvironments", Access::kWorkspace,
      [=](const Principal& caller) -> absl::Status {
        PADDOCK_ASSIGN_OR_RETURN(
            const Page<Environment> page,
            environments_->List(caller.tenant, PageOf(*request), ArchivedOf(*request)));
        for (const Environment& item : page.items) *response->add_environments() = ToProto(item);
        response->set_next_page_token(page.next_page_token);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* EnvironmentServiceImpl::UpdateEnvironment(
    grpc::CallbackServerContext* context, const v1::UpdateEnvironmentRequest* request,
    v1::Environment* response) {
  return dispatcher_->Unary(
      context, *request, "UpdateEnvironment", Access::kWorkspace,
      [=](const Principal& caller) -> absl::Status {
        PADDOCK_ASSIGN_OR_RETURN(const EnvironmentPatch patch, PatchOf(*request));
        PADDOCK_ASSIGN_OR_RETURN(
            const Environment updated,
            environments_->Update(caller.tenant, EnvironmentId(request->environment_id()), patch));
        *response = ToProto(updated);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* EnvironmentServiceImpl::ArchiveEnvironment(
    grpc::CallbackServerContext* context, const v1::ArchiveEnvironmentRequest* request,
    v1::Environment* response) {
  return dispatcher_->Unary(
      context, *request, "ArchiveEnvironment", Access::kWorkspace,
      [=](const Principal& caller) -> absl::Status {
        PADDOCK_ASSIGN_OR_RETURN(
            const Environment archived,
            environments_->Archive(caller.tenant, EnvironmentId(request->environment_id())));
        *response = ToProto(archived);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* EnvironmentServiceImpl::DeleteEnvironment(
    grpc::CallbackServerContext* context, const v1::DeleteEnvironmentRequest* request,
    google::protobuf::Empty*) {
  return dispatcher_->Unary(
      context, *request, "DeleteEnvironment", Access::kWorkspace, [=](const Principal& caller) {
        return environments_->Delete(caller.tenant, EnvironmentId(request->environment_id()));
      });
}

grpc::ServerUnaryReactor* EnvironmentServiceImpl::RebuildEnvironment(
    grpc::CallbackServerContext* context, const v1::RebuildEnvironmentRequest* request,
    v1::Environment* response) {
  using Versions = EnvironmentOperations::Versions;
  return dispatcher_->Unary(
      context, *request, "RebuildEnvironment", Access::kWorkspace,
      [=](const Principal& caller) -> absl::Status {
        PADDOCK_ASSIGN_OR_RETURN(
            const Environment rebuilt,
            environments_->Rebuild(caller.tenant, EnvironmentId(request->environment_id()),
                                   request->refresh() ? Versions::kRefresh : Versions::kKeep));
        *response = ToProto(rebuilt);
        return absl::OkStatus();
      });
}

grpc::ServerWriteReactor<v1::WatchEnvironmentResponse>* EnvironmentServiceImpl::WatchEnvironment(
    grpc::CallbackServerContext* context, const v1::WatchEnvironmentRequest* request) {
  return EnvironmentStream::Start(context, *request, dispatcher_, streams_, timers_, feeds_);
}

}  // namespace paddock
