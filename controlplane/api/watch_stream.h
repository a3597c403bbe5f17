#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/errors.h"
#include "controlplane/api/dispatcher.h"
#include "controlplane/api/drain_group.h"
#include "controlplane/api/latest_writer.h"
#include "controlplane/core/watch_hub.h"

namespace paddock {

// One Watch call: subscribes on the pool, then writes what the hub tells, without a thread of its
// own. Owns itself.
template <typename T, typename Response>
class WatchStream final : public LatestWriter<Response> {
 public:
  using Watcher = std::function<void(absl::StatusOr<T>)>;

  // Where the resource comes from and how it is told.
  struct Source {
    // Blocks for the first read; runs on the pool.
    std::function<absl::StatusOr<std::unique_ptr<Subscription>>(const Principal&, Watcher)>
        subscribe;
    std::function<void(const T&, Response*)> convert;
    // Nothing follows: the stream ends with OK.
    std::function<bool(const T&)> is_final;
  };

  static WatchStream* Start(grpc::CallbackServerContext* context,
                            const google::protobuf::MessageLite& request, const char* method,
                            Dispatcher* dispatcher, DrainGroup* group, Source source) {
    auto* stream =
        new WatchStream(dispatcher->Record(method), dispatcher->pool(), group, std::move(source));
    if (!group->Add(stream)) {
      stream->End(errors::Overloaded("watches", absl::Seconds(5)));
      stream->AdmissionEnded();
      return stream;
    }
    dispatcher->Admit(context, request, Access::kWorkspace,
                      [stream](const absl::StatusOr<Principal>& caller) {
                        stream->Subscribe(caller);
                        stream->AdmissionEnded();
                      });
    return stream;
  }

 private:
  WatchStream(CallRecord record, ThreadPool* pool, DrainGroup* group, Source source)
      : LatestWriter<Response>(record), pool_(pool), group_(group), source_(std::move(source)) {}

  void Subscribe(const absl::StatusOr<Principal>& caller) {
    if (!caller.ok()) return this->End(caller.status());
    auto subscription =
        source_.subscribe(*caller, [this](const absl::StatusOr<T>& value) { OnValue(value); });
    if (!subscription.ok()) return this->End(subscription.status());
    subscription_ = *std::move(subscription);
  }

  void OnValue(const absl::StatusOr<T>& value) {
    if (!value.ok()) return this->End(value.status());
    Response response;
    source_.convert(*value, &response);
    this->Offer(std::move(response));
    if (source_.is_final(*value)) this->End(absl::OkStatus());
  }

  void OnEnded() override { Release(); }
  void AdmissionEnded() { Release(); }

  // Called twice: when the call is over, and when the admission won't touch the stream any more.
  // Ending a subscription may wait for the hub, so the pool does it.
  void Release() {
    if (references_.fetch_sub(1) > 1) return;
    group_->Remove(this);
    pool_->Schedule([self = std::unique_ptr<WatchStream>(this)] {});
  }

  ThreadPool* const pool_;
  DrainGroup* const group_;
  const Source source_;
  std::atomic<int> references_{2};
  std::unique_ptr<Subscription> subscription_;
};

}  // namespace paddock
