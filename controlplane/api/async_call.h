#pragma once

#include <grpcpp/support/server_callback.h>

#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "common/errors.h"
#include "controlplane/api/call_record.h"
#include "controlplane/api/dispatcher.h"

namespace paddock {

// A unary call whose work goes on after its thread is free again. A cancelled call is answered at
// once, and what its work brings later is dropped; so a server can end while work goes on.
// Thread-safe. Lives as long as the call, and as the work that holds its Done.
template <typename Response>
class AsyncCall final : public grpc::ServerUnaryReactor,
                        public std::enable_shared_from_this<AsyncCall<Response>> {
 public:
  // Called once, on any thread.
  using Done = std::function<void(absl::StatusOr<Response>)>;
  // Runs on the pool; may use the request until it returns, and may block there.
  using Work = absl::AnyInvocable<void(const Principal& caller, Done done)>;

  static grpc::ServerUnaryReactor* Start(grpc::CallbackServerContext* context,
                                         const google::protobuf::MessageLite& request,
                                         const char* method, Dispatcher* dispatcher,
                                         Response* response, Work work) {
    std::shared_ptr<AsyncCall> call(new AsyncCall(dispatcher->Record(method), response));
    call->self_ = call;
    dispatcher->Admit(context, request, Access::kWorkspace,
                      [call, work = std::move(work)](absl::StatusOr<Principal> caller) mutable {
                        call->Run(std::move(caller), std::move(work));
                      });
    return call.get();
  }

  void OnCancel() override { End(errors::Cancelled()); }
  void OnDone() override { const std::shared_ptr<AsyncCall> self = std::move(self_); }

 private:
  AsyncCall(CallRecord record, Response* response) : response_(response), record_(record) {}

  void Run(absl::StatusOr<Principal> caller, Work work) {
    if (!caller.ok()) {
      End(caller.status());
    } else if (!HasResult()) {
      work(*caller, [call = this->shared_from_this()](absl::StatusOr<Response> result) {
        call->End(std::move(result));
      });
    }
    absl::MutexLock lock(&mutex_);
    working_ = false;
    FinishIfIdle();
  }

  bool HasResult() {
    absl::MutexLock lock(&mutex_);
    return result_.has_value();
  }

  // The first result counts.
  void End(absl::StatusOr<Response> result) {
    absl::MutexLock lock(&mutex_);
    if (!result_.has_value()) result_ = std::move(result);
    FinishIfIdle();
  }

  void FinishIfIdle() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (working_ || finished_ || !result_.has_value()) return;
    finished_ = true;
    if (result_->ok()) *response_ = **std::move(result_);
    Finish(record_.Finish(result_->status()));
  }

  Response* const response_;  // Valid until Finish.
  std::shared_ptr<AsyncCall> self_;
  absl::Mutex mutex_;
  CallRecord record_ ABSL_GUARDED_BY(mutex_);
  std::optional<absl::StatusOr<Response>> result_ ABSL_GUARDED_BY(mutex_);
  bool working_ ABSL_GUARDED_BY(mutex_) = true;  // The work may still use the request.
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace paddock
