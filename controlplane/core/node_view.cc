#include "controlplane/core/node_view.h"

#include <iterator>
#include <utility>

namespace paddock {

NodeView::Fleet NodeView::Current() const {
  absl::MutexLock lock(&mutex_);
  return fleet_;
}

NodeView::Fleet NodeView::FleetOf(std::vector<Node> nodes) {
  auto recent = std::make_shared<RecentCharges>(nodes);
  return {std::make_shared<const std::vector<Node>>(std::move(nodes)), std::move(recent)};
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
  Fleet old;  // Ends outside of the lock.
  absl::MutexLock lock(&mutex_);
  refreshing_ = false;
  last_refresh_ = nodes.status();
  if (!nodes.ok()) return nodes.status();
  Mark(&*nodes);
  old = std::exchange(fleet_, FleetOf(*std::move(nodes)));
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
  MarkAgain();
}

void NodeView::Trust(const NodeId& id) {
  absl::MutexLock lock(&mutex_);
  if (avoid_until_.empty() || avoid_until_.erase(id) == 0) return;
  MarkAgain();
}

void NodeView::MarkAgain() {
  std::vector<Node> nodes = *fleet_.nodes;
  Mark(&nodes);
  // In the same places, so what was charged since the reading stays.
  fleet_.nodes = std::make_shared<const std::vector<Node>>(std::move(nodes));
}

void NodeView::Mark(std::vector<Node>* nodes) {
  const absl::Duration now = clock_->Monotonic();
  for (auto it = avoid_until_.begin(); it != avoid_until_.end();) {
    it = it->second <= now ? avoid_until_.erase(it) : std::next(it);
  }
  for (Node& node : *nodes) node.avoided = avoid_until_.count(node.id) > 0;
}

}  // namespace paddock
