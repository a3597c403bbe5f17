#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <set>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "controlplane/rest/http_limits.h"
#include "controlplane/rest/http_message.h"

namespace paddock {

class HttpConnection;

// What the connections of one HTTP server share. Owned by the server and by every connection, so
// that an answer that comes after the server's end finds its connection whole. Thread-safe.
class HttpCore {
 public:
  using Handler = std::function<void(HttpRequest, std::shared_ptr<Responder>)>;
  using Refuser = std::function<HttpAnswer(const absl::Status&)>;

  HttpCore(const HttpLimits& limits, int threads, Handler handler, Refuser refuser);

  // False when there are too many, or the server is ending.
  [[nodiscard]] bool Add(const std::shared_ptr<HttpConnection>& connection);
  void Remove(HttpConnection* connection);
  // Those that live.
  std::vector<std::shared_ptr<HttpConnection>> Connections() const;
  size_t size() const;
  // True once there are none, within `patience`.
  bool WaitUntilEmpty(absl::Duration patience) const;

  // From now on connections end after the answer under way.
  void StartDraining() { draining_ = true; }
  bool draining() const { return draining_; }
  // Nothing runs any more; what comes later is dropped.
  void End() { ended_ = true; }
  bool ended() const { return ended_; }

  boost::asio::io_context io;
  const HttpLimits limits;
  const Handler handler;
  const Refuser refuser;

 private:
  bool Empty() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return connections_.empty(); }

  std::atomic<bool> draining_{false};
  std::atomic<bool> ended_{false};
  mutable absl::Mutex mutex_;
  std::set<HttpConnection*> connections_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace paddock
