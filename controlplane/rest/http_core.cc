#include "controlplane/rest/http_core.h"

#include <utility>

#include "common/await_for.h"
#include "controlplane/rest/http_connection.h"

namespace paddock {

HttpCore::HttpCore(const HttpLimits& limits, int threads, Handler handler, Refuser refuser)
    : io(threads), limits(limits), handler(std::move(handler)), refuser(std::move(refuser)) {}

bool HttpCore::Add(const std::shared_ptr<HttpConnection>& connection) {
  absl::MutexLock lock(&mutex_);
  if (draining_ || connections_.size() >= limits.connections) return false;
  connections_.insert(connection.get());
  return true;
}

void HttpCore::Remove(HttpConnection* connection) {
  absl::MutexLock lock(&mutex_);
  connections_.erase(connection);
}

std::vector<std::shared_ptr<HttpConnection>> HttpCore::Connections() const {
  std::vector<std::shared_ptr<HttpConnection>> living;
  absl::MutexLock lock(&mutex_);
  living.reserve(connections_.size());
  for (HttpConnection* connection : connections_) {
    if (auto shared = connection->Lock(); shared != nullptr) living.push_back(std::move(shared));
  }
  return living;
}

size_t HttpCore::size() const {
  absl::MutexLock lock(&mutex_);
  return connections_.size();
}

bool HttpCore::WaitUntilEmpty(absl::Duration patience) const {
  absl::MutexLock lock(&mutex_);
  return AwaitFor(&mutex_, absl::Condition(this, &HttpCore::Empty), patience);
}

}  // namespace paddock
