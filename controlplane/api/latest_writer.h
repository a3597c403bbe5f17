#pragma once

#include <grpcpp/support/server_callback.h>

#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "common/errors.h"
#include "controlplane/api/call_record.h"
#include "controlplane/api/drain_group.h"

namespace paddock {

// The writing half of a stream whose messages supersede each other: one write is under way at
// most, and of what comes meanwhile only the newest is kept; so a slow client costs one message of
// memory and always gets the last state. Thread-safe.
//
// A subclass starts some work that calls Offer and End, and says in `OnEnded` how it is stopped.
// gRPC's operations are started under the mutex: they only queue, and call back on other threads.
template <typename Response>
class LatestWriter : public grpc::ServerWriteReactor<Response>, public Drainable {
 public:
  explicit LatestWriter(CallRecord record) : record_(record) {}

  // Writes `response`, at once or when the write under way is done.
  void Offer(Response response) {
    absl::MutexLock lock(&mutex_);
    if (ending_.has_value()) return;
    pending_ = std::move(response);
    WriteIfIdle();
  }

  // Finishes after what was offered is written. Later calls change nothing.
  void End(const absl::Status& status) {
    absl::MutexLock lock(&mutex_);
    if (!ending_.has_value()) ending_ = status;
    FinishIfIdle();
  }

  void Drain() override { EndNow(errors::ShuttingDown()); }
  void OnCancel() override { EndNow(errors::Cancelled()); }
  void OnWriteDone(bool ok) override {
    absl::MutexLock lock(&mutex_);
    writing_ = false;
    if (!ok) {
      pending_.reset();
      if (!ending_.has_value()) ending_ = errors::Cancelled();
    }
    WriteIfIdle();
    FinishIfIdle();
  }
  void OnDone() final { OnEnded(); }

 protected:
  // The stream is over: stop the work, and delete the stream once it has stopped. Runs on a thread
  // of gRPC and must not block.
  virtual void OnEnded() = 0;

 private:
  // Drops what waits to be written.
  void EndNow(const absl::Status& status) {
    absl::MutexLock lock(&mutex_);
    pending_.reset();
    if (!ending_.has_value()) ending_ = status;
    FinishIfIdle();
  }

  void WriteIfIdle() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (writing_ || finished_ || !pending_.has_value()) return;
    writing_ = true;
    response_ = *std::move(pending_);
    pending_.reset();
    this->StartWrite(&response_);
  }

  void FinishIfIdle() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (writing_ || finished_ || pending_.has_value() || !ending_.has_value()) return;
    finished_ = true;
    this->Finish(record_.Finish(*ending_));
  }

  absl::Mutex mutex_;
  CallRecord record_ ABSL_GUARDED_BY(mutex_);
  Response response_ ABSL_GUARDED_BY(mutex_);  // Under way while writing_.
  std::optional<Response> pending_ ABSL_GUARDED_BY(mutex_);
  std::optional<absl::Status> ending_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace paddock
