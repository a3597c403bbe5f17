#pragma once

#include "common/timer_queue.h"
#include "controlplane/api/dispatcher.h"
#include "controlplane/api/drain_group.h"
#include "controlplane/core/environment_feed.h"
#include "controlplane/core/environment_operations.h"
#include "paddock/v1/environment.grpc.pb.h"

namespace paddock {

// Environments over gRPC. Thread-safe; arguments must outlive it.
class EnvironmentServiceImpl final : public v1::EnvironmentService::CallbackService {
 public:
  EnvironmentServiceImpl(Dispatcher* dispatcher, DrainGroup* streams, TimerQueue* timers,
                         EnvironmentOperations* environments, EnvironmentFeeds* feeds)
      : dispatcher_(dispatcher),
        streams_(streams),
        timers_(timers),
        environments_(environments),
        feeds_(feeds) {}

  grpc::ServerUnaryReactor* CreateEnvironment(grpc::CallbackServerContext* context,
                                              const v1::CreateEnvironmentRequest* request,
                                              v1::Environment* response) override;
  grpc::ServerUnaryReactor* GetEnvironment(grpc::CallbackServerContext* context,
                                           const v1::GetEnvironmentRequest* request,
                                           v1::Environment* response) override;
  grpc::ServerUnaryReactor* ListEnvironments(grpc::CallbackServerContext* context,
                                             const v1::ListEnvironmentsRequest* request,
                                             v1::ListEnvironmentsResponse* response) override;
  grpc::ServerUnaryReactor* UpdateEnvironment(grpc::CallbackServerContext* context,
                                              const v1::UpdateEnvironmentRequest* request,
                                              v1::Environment* response) override;
  grpc::ServerUnaryReactor* ArchiveEnvironment(grpc::CallbackServerContext* context,
                                               const v1::ArchiveEnvironmentRequest* request,
                                               v1::Environment* response) override;
  grpc::ServerUnaryReactor* DeleteEnvironment(grpc::CallbackServerContext* context,
                                              const v1::DeleteEnvironmentRequest* request,
                                              google::protobuf::Empty* response) override;
  grpc::ServerUnaryReactor* RebuildEnvironment(grpc::CallbackServerContext* context,
                                               const v1::RebuildEnvironmentRequest* request,
                                               v1::Environment* response) override;
  grpc::ServerWriteReactor<v1::WatchEnvironmentResponse>* WatchEnvironment(
      grpc::CallbackServerContext* context, const v1::WatchEnvironmentRequest* request) override;

 private:
  Dispatcher* const dispatcher_;
  DrainGroup* const streams_;
  TimerQueue* const timers_;
  EnvironmentOperations* const environments_;
  EnvironmentFeeds* const feeds_;
};

}  // namespace paddock
