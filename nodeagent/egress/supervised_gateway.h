#pragma once

#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "nodeagent/egress/gateway_options.h"
#include "nodeagent/egress/gateway_process.h"
#include "nodeagent/egress/socket_gateway_client.h"
#include "nodeagent/system/unique_fd.h"

namespace paddock::nodeagent {

// GatewayProcess for real: a thread waits on the process's pidfd and starts another when it ends.
// Thread-safe.
class SupervisedGateway : public GatewayProcess {
 public:
  explicit SupervisedGateway(const GatewayOptions& options)
      : options_(options), client_(options.Socket()) {}
  ~SupervisedGateway() override;
  // Call once.
  absl::Status Begin();
  GatewayClient* client() override { return &client_; }
  absl::Status Health() override;

 private:
  // Finds the running process or starts one; `process_` is its pidfd afterwards.
  absl::Status Ensure() ABSL_LOCKS_EXCLUDED(mutex_);
  void Supervise() ABSL_LOCKS_EXCLUDED(mutex_);
  bool Stopping() ABSL_LOCKS_EXCLUDED(mutex_);

  const GatewayOptions options_;
  SocketGatewayClient client_;
  absl::Mutex mutex_;
  absl::Status health_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  UniqueFd process_;  // The supervising thread's, once it runs.
  UniqueFd stop_;     // An eventfd: readable when the thread has to end.
  std::thread thread_;
};

// The pidfd of the gateway process that the pid file names; NOT_FOUND if it doesn't run.
absl::StatusOr<UniqueFd> FindGateway(const GatewayOptions& options);

}  // namespace paddock::nodeagent
