#pragma once

#include <map>
#include <set>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace paddock {

// The standard health service. (gRPC's built-in one is listed by reflection but can't be described
// by it, so grpcurl can't call it.) Thread-safe. Starts with nothing but "" as NOT_SERVING.
class HealthService final : public grpc::health::v1::Health::CallbackService {
 public:
  // The largest number of Watch streams; more are RESOURCE_EXHAUSTED.
  static constexpr size_t kMaxWatchers = 1000;

  HealthService() = default;
  // Waits for the last Watch stream to end: shut the server down before.
  ~HealthService() override;

  // `service` is a full name such as `paddock.v1.SessionService`; "" is the server as a whole.
  void Set(const std::string& service, bool serving);
  // Every known service and "".
  void SetAll(bool serving);
  // Ends: all NOT_SERVING for good, and the Watch streams are told so and finished.
  void Shutdown();

  grpc::ServerUnaryReactor* Check(grpc::CallbackServerContext* context,
                                  const grpc::health::v1::HealthCheckRequest* request,
                                  grpc::health::v1::HealthCheckResponse* response) override;
  grpc::ServerWriteReactor<grpc::health::v1::HealthCheckResponse>* Watch(
      grpc::CallbackServerContext* context,
      const grpc::health::v1::HealthCheckRequest* request) override;

 private:
  class Watcher;
  using Status = grpc::health::v1::HealthCheckResponse::ServingStatus;

  // SERVICE_UNKNOWN for a service never set.
  Status Get(const std::string& service) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  void Remove(Watcher* watcher);
  void Notify() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<std::string, bool> serving_ ABSL_GUARDED_BY(mutex_) = {{"", false}};
  std::set<Watcher*> watchers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace paddock
