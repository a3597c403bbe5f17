#include "controlplane/core/node_view.h"

#include <iterator>
#include <utility>

namespace paddock {

NodeView::Nodes NodeView::Get() const {
  absl::MutexLock lock(&mutex_);
  return nodes_;
}

absl::Status NodeView::RefreshIfOlder(absl::Duration age) {
  const absl::Duration newer_than = clock_->Monotonic() - age;
  {
    absl::MutexLock lock(&mutex_);
    // A read that began too early doesn't serve, even if it ends only now.
    while (refreshing_ && read_at_ < newer_than) {
      mutex_.Await(absl::Condition(this, &NodeView::NotRefreshing));
      if (!last_refresh_.ok()) return last_refresh_;
    }
    if (read_at_ >= newer_than) return absl::OkStatus();
    refreshing_ = true;
  }
  const absl::Duration begun = clock_->Monotonic();
  absl::StatusOr<std::vector<Node>> nodes = store_->ListAll();
  absl::MutexLock lock(&mutex_);
  refreshing_ = false;
  last_refresh_ = nodes.status();
  if (!nodes.ok()) return nodes.status();
  Mark(&*nodes);
  nodes_ = std::make_shared<const std::vector<Node>>(*std::move(nodes));
  read_at_ = begun;
  return absl::OkStatus();
}

void NodeView::Avoid(const NodeId& id) {
  const absl::Duration now = clock_->Monotonic();
  absl::MutexLock lock(&mutex_);
  absl::Duration& until = avoid_until_.try_emplace(id, -absl::InfiniteDuration()).first->second;
  const bool news = until <= now;
  until = now + kAvoidFor;
  if (!news) return;
  std::vector<Node> nodes = *nodes_;
  Mark(&nodes);
  nodes_ = std::make_shared<const std::vector<Node>>(std::move(nodes));
}

void NodeView::Trust(const NodeId& id) {
  absl::MutexLock lock(&mutex_);
  if (avoid_until_.empty() || avoid_until_.erase(id) == 0) return;
  std::vector<Node> nodes = *nodes_;
  Mark(&nodes);
  nodes_ = std::make_shared<const std::vector<Node>>(std::move(nodes));
}

void NodeView::Mark(std::vector<Node>* nodes) {
  const absl::Duration now = clock_->Monotonic();
  for (auto it = avoid_until_.begin(); it != avoid_until_.end();) {
    it = it->second <= now ? avoid_until_.erase(it) : std::next(it);
  }
  for (Node& node : *nodes) node.avoided = avoid_until_.count(node.id) > 0;
}

}  // namespace paddock
