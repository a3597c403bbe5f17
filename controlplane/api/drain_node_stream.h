#pragma once

#include <atomic>
#include <memory>
#include <optional>

#include "common/timer_queue.h"
#include "controlplane/api/dispatcher.h"
#include "controlplane/api/drain_group.h"
#include "controlplane/api/latest_writer.h"
#include "controlplane/core/nodes.h"
#include "paddock/v1/admin.pb.h"

namespace paddock {

// One DrainNode call: orders the drain, then tells its progress every second until no session is
// left. Holds no thread between two looks. Owned by the tasks that refer to it.
class DrainNodeStream final : public LatestWriter<v1::DrainNodeResponse>,
                              public std::enable_shared_from_this<DrainNodeStream> {
 public:
  static DrainNodeStream* Start(grpc::CallbackServerContext* context,
                                const v1::DrainNodeRequest& request, Dispatcher* dispatcher,
                                DrainGroup* group, TimerQueue* timers, NodeOperations* nodes);

 private:
  DrainNodeStream(const v1::DrainNodeRequest& request, Dispatcher* dispatcher, DrainGroup* group,
                  TimerQueue* timers, NodeOperations* nodes);

  // These run on the pool.
  void Order();
  void Look();

  void LookLater();
  void OnEnded() override;

  const v1::DrainNodeRequest request_;
  ThreadPool* const pool_;
  DrainGroup* const group_;
  TimerQueue* const timers_;
  NodeOperations* const nodes_;
  std::atomic<bool> ended_{false};
  // gRPC's own reference, until the call is over.
  std::shared_ptr<DrainNodeStream> self_;
};

}  // namespace paddock
