#include "controlplane/core/node_view.h"

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
  Fleet fleet = nodes.ok() ? FleetOf(*std::move(nodes)) : Fleet();
  absl::MutexLock lock(&mutex_);
  refreshing_ = false;
  last_refresh_ = nodes.status();
  if (!nodes.ok()) return nodes.status();
  // The old one ends outside of the lock.
  std::swap(fleet_, fleet);
  read_at_ = now;
  return absl::OkStatus();
}

}  // namespace paddock
