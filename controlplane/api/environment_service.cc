#include "controlplane/api/environment_service.h"

#include <utility>

#include "common/errors.h"
#include "common/status_macros.h"
#include "controlplane/api/environment_convert.h"
#include "controlplane/api/request_convert.h"
#include "controlplane/api/watch_stream.h"

namespace paddock {

grpc::ServerUnaryReactor* EnvironmentServiceImpl::CreateEnvironment(
    grpc::CallbackServerContext* context, const v1::CreateEnvironmentRequest* request,
    v1::Environment* response) {
  return dispatcher_->Unary(
      context, "CreateEnvironment", Access::kWorkspace,
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
      context, "GetEnvironment", Access::kWorkspace, [=](const Principal& caller) -> absl::Status {
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
      context, "ListEnvironments", Access::kWorkspace,
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
      context, "UpdateEnvironment", Access::kWorkspace,
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
      context, "ArchiveEnvironment", Access::kWorkspace,
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
      context, "DeleteEnvironment", Access::kWorkspace, [=](const Principal& caller) {
        return environments_->Delete(caller.tenant, EnvironmentId(request->environment_id()));
      });
}

grpc::ServerUnaryReactor* EnvironmentServiceImpl::RebuildEnvironment(
    grpc::CallbackServerContext* context, const v1::RebuildEnvironmentRequest*, v1::Environment*) {
  return dispatcher_->Unary(
      context, "RebuildEnvironment", Access::kWorkspace,
      [](const Principal&) { return errors::MethodNotSupportedYet("RebuildEnvironment"); });
}

grpc::ServerWriteReactor<v1::WatchEnvironmentResponse>* EnvironmentServiceImpl::WatchEnvironment(
    grpc::CallbackServerContext* context, const v1::WatchEnvironmentRequest* request) {
  using Stream = WatchStream<Environment, v1::WatchEnvironmentResponse>;
  Stream::Source source;
  source.subscribe = [this, id = EnvironmentId(request->environment_id()),
                      after = request->after_revision()](const Principal& caller,
                                                         Stream::Watcher watcher) {
    return environments_->Watch(caller.tenant, id, after, std::move(watcher));
  };
  source.convert = [](const Environment& environment, v1::WatchEnvironmentResponse* response) {
    *response->mutable_environment() = ToProto(environment);
  };
  source.is_final = [](const Environment&) { return false; };
  return Stream::Start(context, "WatchEnvironment", dispatcher_, streams_, std::move(source));
}

}  // namespace paddock
