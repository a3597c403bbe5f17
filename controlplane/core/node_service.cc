#include "controlplane/core/node_service.h"

#include <algorithm>

#include "common/errors.h"
#include "common/status_macros.h"

namespace paddock {
namespace {

constexpr absl::Duration kMaxDeadline = absl::Hours(24 * 365);
constexpr char kScope[] = "nodes";

}  // namespace

absl::StatusOr<Node> NodeService::Get(const NodeId& id) { return store_->Get(id); }

absl::StatusOr<Page<Node>> NodeService::List(const PageRequest& page) {
  PADDOCK_ASSIGN_OR_RETURN(const PageQuery query, ParsePageRequest(kScope, page));
  PADDOCK_ASSIGN_OR_RETURN(StorePage<Node> nodes, store_->List(query));
  return MakePage(kScope, std::move(nodes), [](const Node& node) { return node.id.value(); });
}

absl::StatusOr<Node> NodeService::Cordon(const NodeId& id) { return store_->SetCordoned(id, true); }

absl::StatusOr<Node> NodeService::Uncordon(const NodeId& id) {
  absl::StatusOr<Node> node = store_->SetCordoned(id, false);
  if (node.ok()) wake_reconciler_();
  return node;
}

absl::StatusOr<Node> NodeService::StartDrain(const NodeId& id,
                                             std::optional<absl::Duration> deadline) {
  if (deadline.has_value() && *deadline < absl::ZeroDuration()) {
    return errors::InvalidField("deadline", "must not be negative");
  }
  if (deadline.has_value()) deadline = std::min(*deadline, kMaxDeadline);
  absl::StatusOr<Node> node = store_->SetDraining(id, deadline);
  if (node.ok()) wake_reconciler_();
  return node;
}

absl::StatusOr<NodeStore::DrainProgress> NodeService::GetDrainProgress(const NodeId& id) {
  return store_->GetDrainProgress(id);
}

}  // namespace paddock
