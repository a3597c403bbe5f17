#include "controlplane/api/session_service.h"

#include <utility>

#include "common/status_macros.h"
#include "controlplane/api/async_call.h"
#include "controlplane/api/exec_relay.h"
#include "controlplane/api/list_directory_call.h"
#include "controlplane/api/list_egress_events_call.h"
#include "controlplane/api/read_file_relay.h"
#include "controlplane/api/session_convert.h"
#include "controlplane/api/watch_egress_relay.h"
#include "controlplane/api/watch_stream.h"
#include "controlplane/api/write_file_relay.h"

namespace paddock {
namespace {

// Answers with a session once it is there.
SessionOperations::CreateCallback AnswerWith(AsyncCall<v1::Session>::Done done) {
  return [done = std::move(done)](const absl::StatusOr<Session>& session) {
    if (!session.ok()) return done(session.status());
    done(ToProto(*session));
  };
}

}  // namespace

grpc::ServerUnaryReactor* SessionServiceImpl::CreateSession(grpc::CallbackServerContext* context,
                                                            const v1::CreateSessionRequest* request,
                                                            v1::Session* response) {
  return AsyncCall<v1::Session>::Start(
      context, *request, "CreateSession", dispatcher_, response,
      [=](const Principal& caller, AsyncCall<v1::Session>::Done done) {
        absl::StatusOr<CreateSessionRequest> create = FromProto(*request);
        if (!create.ok()) return done(create.status());
        sessions_->Create(caller.tenant, *std::move(create), AnswerWith(std::move(done)));
      });
}

grpc::ServerUnaryReactor* SessionServiceImpl::GetSession(grpc::CallbackServerContext* context,
                                                         const v1::GetSessionRequest* request,
                                                         v1::Session* response) {
  return dispatcher_->Unary(context, *request, "GetSession", Access::kWorkspace,
                            [=](const Principal& caller) -> absl::Status {
                              PADDOCK_ASSIGN_OR_RETURN(
                                  const Session found,
                                  sessions_->Get(caller.tenant, SessionId(request->session_id())));
                              *response = ToProto(found);
                              return absl::OkStatus();
                            });
}

grpc::ServerUnaryReactor* SessionServiceImpl::ListSessions(grpc::CallbackServerContext* context,
                                                           const v1::ListSessionsRequest* request,
                                                           v1::ListSessionsResponse* response) {
  return dispatcher_->Unary(
      context, *request, "ListSessions", Access::kWorkspace,
      [=](const Principal& caller) -> absl::Status {
        PADDOCK_ASSIGN_OR_RETURN(const ListSessionsRequest list, FromProto(*request));
        PADDOCK_ASSIGN_OR_RETURN(const Page<Session> page, sessions_->List(caller.tenant, list));
        for (const Session& session : page.items) *response->add_sessions() = ToProto(session);
        response->set_next_page_token(page.next_page_token);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* SessionServiceImpl::UpdateSession(grpc::CallbackServerContext* context,
                                                            const v1::UpdateSessionRequest* request,
                                                            v1::Session* response) {
  return dispatcher_->Unary(
      context, *request, "UpdateSession", Access::kWorkspace,
      [=](const Principal& caller) -> absl::Status {
        PADDOCK_ASSIGN_OR_RETURN(const SessionPatch patch, PatchOf(*request));
        PADDOCK_ASSIGN_OR_RETURN(
            const Session updated,
            sessions_->Update(caller.tenant, SessionId(request->session_id()), patch));
        *response = ToProto(updated);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* SessionServiceImpl::ArchiveSession(
    grpc::CallbackServerContext* context, const v1::ArchiveSessionRequest* request,
    v1::Session* response) {
  return AsyncCall<v1::Session>::Start(
      context, *request, "ArchiveSession", dispatcher_, response,
      [=](const Principal& caller, AsyncCall<v1::Session>::Done done) {
        sessions_->Archive(caller.tenant, SessionId(request->session_id()),
                           AnswerWith(std::move(done)));
      });
}

grpc::ServerUnaryReactor* SessionServiceImpl::DeleteSession(grpc::CallbackServerContext* context,
                                                            const v1::DeleteSessionRequest* request,
                                                            google::protobuf::Empty*) {
  return dispatcher_->Unary(
      context, *request, "DeleteSession", Access::kWorkspace, [=](const Principal& caller) {
        return sessions_->Delete(caller.tenant, SessionId(request->session_id()));
      });
}

grpc::ServerWriteReactor<v1::Session>* SessionServiceImpl::WatchSession(
    grpc::CallbackServerContext* context, const v1::WatchSessionRequest* request) {
  using Stream = WatchStream<Session, v1::Session>;
  Stream::Source source;
  source.subscribe = [this, id = SessionId(request->session_id()),
                      after = request->after_revision()](const Principal& caller,
                                                         Stream::Watcher watcher) {
    return sessions_->Watch(caller.tenant, id, after, std::move(watcher));
  };
  source.convert = [](const Session& session, v1::Session* response) {
    *response = ToProto(session);
  };
  source.is_final = [](const Session& session) { return IsFinal(session.state); };
  return Stream::Start(context, *request, "WatchSession", dispatcher_, streams_, std::move(source));
}

grpc::ServerBidiReactor<v1::ExecRequest, v1::ExecResponse>* SessionServiceImpl::Exec(
    grpc::CallbackServerContext* context) {
  return ExecRelay::Start(context, router_);
}

grpc::ServerWriteReactor<v1::ReadFileResponse>* SessionServiceImpl::ReadFile(
    grpc::CallbackServerContext* context, const v1::ReadFileRequest* request) {
  return ReadFileRelay::Start(context, *request, router_);
}

grpc::ServerReadReactor<v1::WriteFileRequest>* SessionServiceImpl::WriteFile(
    grpc::CallbackServerContext* context, v1::WriteFileResponse* response) {
  return WriteFileRelay::Start(context, response, router_);
}

grpc::ServerUnaryReactor* SessionServiceImpl::ListDirectory(grpc::CallbackServerContext* context,
                                                            const v1::ListDirectoryRequest* request,
                                                            v1::ListDirectoryResponse* response) {
  using Call = AsyncCall<v1::ListDirectoryResponse>;
  return Call::Start(context, *request, "ListDirectory", dispatcher_, response,
                     [=](const Principal& caller, Call::Done done) {
                       absl::StatusOr<NodeRoute> route =
                           router_->Find(caller, request->session_id(), RouteTo::kRunning);
                       if (!route.ok()) return done(route.status());
                       ListDirectoryOnNode(*std::move(route), context->deadline(), *request,
                                           std::move(done));
                     });
}

grpc::ServerUnaryReactor* SessionServiceImpl::ListEgressEvents(
    grpc::CallbackServerContext* context, const v1::ListEgressEventsRequest* request,
    v1::ListEgressEventsResponse* response) {
  using Call = AsyncCall<v1::ListEgressEventsResponse>;
  return Call::Start(context, *request, "ListEgressEvents", dispatcher_, response,
                     [=](const Principal& caller, Call::Done done) {
                       const absl::StatusOr<EgressPageQuery> query =
                           ParseEgressPage(caller.tenant, *request);
                       if (!query.ok()) return done(query.status());
                       absl::StatusOr<NodeRoute> route =
                           router_->Find(caller, request->session_id(), RouteTo::kRunningOrEnded);
                       if (!route.ok()) return done(route.status());
                       ListEgressEventsOnNode(*std::move(route), context->deadline(),
                                              request->session_id(), *query, std::move(done));
                     });
}

grpc::ServerWriteReactor<v1::EgressEvent>* SessionServiceImpl::WatchEgress(
    grpc::CallbackServerContext* context, const v1::WatchEgressRequest* request) {
  return WatchEgressRelay::Start(context, *request, router_, streams_);
}

}  // namespace paddock
