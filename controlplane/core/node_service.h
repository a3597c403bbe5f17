#pragma once

#include <functional>
#include <optional>

#include "controlplane/core/node_store.h"
#include "controlplane/core/nodes.h"

namespace paddock {

// NodeOperations over the store. Thread-safe.
class NodeService : public NodeOperations {
 public:
  // `wake_reconciler` doesn't block.
  NodeService(NodeStore* store, std::function<void()> wake_reconciler)
      : store_(store), wake_reconciler_(std::move(wake_reconciler)) {}

  absl::StatusOr<Node> Get(const NodeId& id) override;
  absl::StatusOr<Page<Node>> List(const PageRequest& page) override;
  absl::StatusOr<Node> Cordon(const NodeId& id) override;
  absl::StatusOr<Node> Uncordon(const NodeId& id) override;
  absl::StatusOr<Node> StartDrain(const NodeId& id,
                                  std::optional<absl::Duration> deadline) override;
  absl::StatusOr<NodeStore::DrainProgress> GetDrainProgress(const NodeId& id) override;

 private:
  NodeStore* const store_;
  const std::function<void()> wake_reconciler_;
};

}  // namespace paddock
