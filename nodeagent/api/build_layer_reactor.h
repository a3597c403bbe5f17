#pragma once

#include <grpcpp/support/server_callback.h>

#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "nodeagent/build/layer_builder.h"
#include "paddock/internal/v1/node.pb.h"

namespace paddock::nodeagent {

// One BuildLayer call. It holds a bounded number of log lines; a client that doesn't read holds the
// build. Cancelling the call ends the build. Deletes itself when the call is over.
class BuildLayerReactor final : public grpc::ServerWriteReactor<internal::v1::BuildLayerEvent>,
                                private BuildObserver {
 public:
  static constexpr size_t kMaxQueued = 256;

  // With an error in `admitted` nothing is started.
  BuildLayerReactor(const absl::Status& admitted, LayerBuilder* builder,
                    const internal::v1::BuildLayerRequest& request,
                    std::function<void(absl::StatusCode)> on_done);

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  bool OnLogLine(std::string line, absl::Duration patience) override;
  void OnBuilt(const Layer& layer) override;
  void OnFailure(const BuildFailure& failure) override;
  void OnError(const absl::Status& status) override { End(nullptr, status); }

  absl::Status Begin(LayerBuilder* builder, const internal::v1::BuildLayerRequest& request);
  // `last` may be null.
  void End(std::unique_ptr<internal::v1::BuildLayerEvent> last, const absl::Status& status);
  // Writes the next one, or finishes. Unlocks first: finishing may delete this from another thread.
  void ContinueAndUnlock() ABSL_UNLOCK_FUNCTION(mutex_);
  bool HasRoom() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return broken_ || queue_.size() < kMaxQueued;
  }

  const std::function<void(absl::StatusCode)> on_done_;
  const std::shared_ptr<BuildControl> control_ = std::make_shared<BuildControl>();

  absl::Mutex mutex_;
  // The front is being written while `writing_`.
  std::deque<internal::v1::BuildLayerEvent> queue_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool broken_ ABSL_GUARDED_BY(mutex_) = false;  // Nothing reaches the client any more.
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status final_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace paddock::nodeagent
