#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/server.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/random/random.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "common/timer_queue.h"
#include "common/tls.h"
#include "paddock/internal/v1/node.grpc.pb.h"

namespace paddock::bench {

// A node agent whose containers are pretended: the agents' protocol over gRPC with mutual TLS, a
// certificate, port and connection of its own, roles checked on both sides. A session that is put
// runs at once, one that is stopped is gone at once and leaves a tombstone; heartbeats carry all.
// Thread-safe. Takes no thread, so that a process can hold a thousand.
class HollowNode final : public internal::v1::NodeAgent::CallbackService {
 public:
  // `timers` must outlive this.
  HollowNode(std::string node_id, std::string registry, TimerQueue* timers)
      : node_id_(std::move(node_id)), registry_address_(std::move(registry)), timers_(timers) {}
  ~HollowNode() override;

  // Loads the certificate and listens on a port of its own. Call once, first.
  absl::Status Serve(const TlsFiles& files);

  // Registers, and sends heartbeats from then on; `joined` is called when the first was answered.
  // Tries again for ever.
  void Join(std::function<void()> joined);

  // Sends nothing more and waits for the call that is under way.
  void Leave();

  int64_t heartbeats() const { return heartbeats_; }
  int64_t failed() const { return failed_; }
  size_t sessions() const;

  grpc::ServerUnaryReactor* PutSession(grpc::CallbackServerContext* context,
                                       const internal::v1::PutSessionRequest* request,
                                       internal::v1::PutSessionResponse* response) override;
  grpc::ServerUnaryReactor* StopSession(grpc::CallbackServerContext* context,
                                        const internal::v1::StopSessionRequest* request,
                                        internal::v1::StopSessionResponse* response) override;

 private:
  // The call to the registry that is under way; there is one at most.
  struct Call {
    grpc::ClientContext context;
    internal::v1::RegisterRequest registration;
    internal::v1::HeartbeatRequest heartbeat;
    internal::v1::HeartbeatResponse answer;
  };

  void Register();
  void Beat();
  void Answered(const std::shared_ptr<Call>& call, const grpc::Status& status);
  // Null when the node has left.
  std::shared_ptr<Call> BeginCall();
  void EndCall();
  void Apply(const internal::v1::HeartbeatResponse& answer);
  // FAILED_PRECONDITION for what was stopped before.
  absl::Status Run(const internal::v1::SessionSpec& spec, internal::v1::SessionStatus* status)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void Stop(const internal::v1::StopSessionRequest& stop) ABSL_LOCKS_EXCLUDED(mutex_);

  const std::string node_id_;
  const std::string registry_address_;
  TimerQueue* const timers_;
  std::string epoch_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<internal::v1::NodeRegistry::Stub> registry_;
  std::function<void()> joined_;
  std::atomic<int64_t> heartbeats_{0};
  std::atomic<int64_t> failed_{0};
  mutable absl::Mutex mutex_;
  absl::BitGen random_ ABSL_GUARDED_BY(mutex_);
  bool left_ ABSL_GUARDED_BY(mutex_) = false;
  bool calling_ ABSL_GUARDED_BY(mutex_) = false;
  bool registered_ ABSL_GUARDED_BY(mutex_) = false;
  int64_t sequence_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t applied_revision_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<std::string, internal::v1::SessionStatus> sessions_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, int64_t> tombstones_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace paddock::bench
