#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "controlplane/rest/http_connection.h"

namespace paddock {

// The stream of events of one connection. Shared by the connection, until it closes, and by those
// who send. Thread-safe.
class HttpConnection::Sink final : public EventSink,
                                   public std::enable_shared_from_this<HttpConnection::Sink> {
 public:
  explicit Sink(std::shared_ptr<HttpConnection> connection) : connection_(std::move(connection)) {}

  void Start(HttpAnswer head) override {
    connection_->Post([self = shared_from_this(), head = std::move(head)](HttpConnection* c) {
      c->BeginStream(self, head);
    });
  }
  void Send(std::string frames) override {
    connection_->Post([frames = std::move(frames)](HttpConnection* c) { c->SendFrames(frames); });
  }
  void End() override {
    connection_->Post([](HttpConnection* c) { c->EndStream(); });
  }
  void OnClosed(absl::AnyInvocable<void()> callback) override {
    {
      absl::MutexLock lock(&mutex_);
      if (!closed_) {
        callbacks_.push_back(std::move(callback));
        return;
      }
    }
    callback();
  }

  // By the connection, on its strand. Idempotent.
  void Close() {
    std::vector<absl::AnyInvocable<void()>> callbacks;
    {
      absl::MutexLock lock(&mutex_);
      closed_ = true;
      callbacks.swap(callbacks_);
    }
    for (auto& callback : callbacks) callback();
  }

 private:
  const std::shared_ptr<HttpConnection> connection_;
  absl::Mutex mutex_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<absl::AnyInvocable<void()>> callbacks_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace paddock
