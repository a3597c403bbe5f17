#pragma once

#include "controlplane/api/dispatcher.h"
#include "controlplane/api/drain_group.h"
#include "controlplane/api/node_router.h"
#include "controlplane/core/sessions.h"
#include "paddock/v1/session.grpc.pb.h"

namespace paddock {

// Sessions over gRPC; commands and files go through to the session's node agent. Thread-safe;
// arguments must outlive it.
class SessionServiceImpl final : public v1::SessionService::CallbackService {
 public:
  SessionServiceImpl(Dispatcher* dispatcher, DrainGroup* streams, SessionOperations* sessions,
                     NodeRouter* router)
      : dispatcher_(dispatcher), streams_(streams), sessions_(sessions), router_(router) {}

  grpc::ServerUnaryReactor* CreateSession(grpc::CallbackServerContext* context,
                                          const v1::CreateSessionRequest* request,
                                          v1::Session* response) override;
  grpc::ServerUnaryReactor* GetSession(grpc::CallbackServerContext* context,
                                       const v1::GetSessionRequest* request,
                                       v1::Session* response) override;
  grpc::ServerUnaryReactor* ListSessions(grpc::CallbackServerContext* context,
                                         const v1::ListSessionsRequest* request,
                                         v1::ListSessionsResponse* response) override;
  grpc::ServerUnaryReactor* UpdateSession(grpc::CallbackServerContext* context,
                                          const v1::UpdateSessionRequest* request,
                                          v1::Session* response) override;
  grpc::ServerUnaryReactor* ArchiveSession(grpc::CallbackServerContext* context,
                                           const v1::ArchiveSessionRequest* request,
                                           v1::Session* response) override;
  grpc::ServerUnaryReactor* DeleteSession(grpc::CallbackServerContext* context,
                                          const v1::DeleteSessionRequest* request,
                                          google::protobuf::Empty* response) override;
  grpc::ServerWriteReactor<v1::Session>* WatchSession(
      grpc::CallbackServerContext* context, const v1::WatchSessionRequest* request) override;

  grpc::ServerBidiReactor<v1::ExecRequest, v1::ExecResponse>* Exec(
      grpc::CallbackServerContext* context) override;
  grpc::ServerWriteReactor<v1::ReadFileResponse>* ReadFile(
      grpc::CallbackServerContext* context, const v1::ReadFileRequest* request) override;
  grpc::ServerReadReactor<v1::WriteFileRequest>* WriteFile(
      grpc::CallbackServerContext* context, v1::WriteFileResponse* response) override;
  grpc::ServerUnaryReactor* ListDirectory(grpc::CallbackServerContext* context,
                                          const v1::ListDirectoryRequest* request,
                                          v1::ListDirectoryResponse* response) override;

  grpc::ServerUnaryReactor* ListEgressEvents(grpc::CallbackServerContext* context,
                                             const v1::ListEgressEventsRequest* request,
                                             v1::ListEgressEventsResponse* response) override;
  grpc::ServerWriteReactor<v1::EgressEvent>* WatchEgress(
      grpc::CallbackServerContext* context, const v1::WatchEgressRequest* request) override;

 private:
  Dispatcher* const dispatcher_;
  DrainGroup* const streams_;
  SessionOperations* const sessions_;
  NodeRouter* const router_;
};

}  // namespace paddock
