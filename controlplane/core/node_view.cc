#include "controlplane/core/node_view.h"

#include <utility>

namespace paddock {

NodeView::Nodes NodeView::Get() const {
  absl::MutexLock lock(&mutex_);
  return nodes_;
}

absl::Status NodeView::RefreshIfOlder(absl::Duration age) {
  const absl::Duration now = clock_->Monotonic();
  {
    absl::MutexLock lock(&mutex_);
    if (now - read_at_ <= age) return absl::OkStatus();
    if (refreshing_) {
      mutex_.Await(absl::Condition(this, &NodeView::NotRefreshing));
      return last_refresh_;
    }
    refreshing_ = true;
  }
  absl::StatusOr<std::vector<Node>> nodes = store_->ListAll();
  absl::MutexLock lock(&mutex_);
  refreshing_ = false;
  last_refresh_ = nodes.status();
  if (!nodes.ok()) return nodes.status();
  nodes_ = std::make_shared<const std::vector<Node>>(*std::move(nodes));
  read_at_ = now;
  return absl::OkStatus();
}

}  // namespace paddock
