#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "controlplane/core/node_listing.h"
#include "controlplane/core/resources.h"
#include "controlplane/core/settings.h"

namespace paddock {

// Where an agent says which Node object stands for its machine (NodeObject); without it a node is
// never declared gone.
inline constexpr char kNodeObjectDetail[] = "kubernetes_node";

// Decides which machines are gone for good because their Node objects are: a node that has been
// silent for lost_after, by this process's monotonic clock, while successive listings lacked its
// object. So an object that is deleted by mistake ends nothing while the agent answers, and what
// RESCHEDULE sessions the machine may still have were killed at fence_after. A cluster that doesn't
// answer makes no new listings, and that proves nothing. A gap in reading starts every count again.
// Not thread-safe.
class GoneDetector {
 public:
  // As of LossDetector.
  static constexpr absl::Duration kMaxGap = absl::Seconds(5);
  // Listings that must lack the object, all of them new since the silence began. The first may have
  // been asked for before; whoever writes them asks for one after the other.
  static constexpr int kListings = 3;

  explicit GoneDetector(const Settings& settings) : settings_(settings) {}

  struct Gone {
    NodeId id;
    int64_t heartbeat_counter = 0;  // Unchanged for lost_after.
    std::string object;
  };

  // What one successful read of the nodes at `now` (monotonic) showed, and the latest listing;
  // nullopt: it can't be read.
  std::vector<Gone> Observe(absl::Duration now, const std::vector<Node>& nodes,
                            const std::optional<NodeListing>& listing);

  // Forgets everything: the lease was lost, or a read failed.
  void Reset();

 private:
  struct Seen {
    int64_t counter = 0;
    absl::Duration since;  // When the counter was first read at this value.
    std::string stamp;     // Of the last listing that was looked at.
    int lacking = 0;       // Listings in a row.
  };

  const Settings settings_;
  std::map<NodeId, Seen> seen_;
  absl::Duration last_read_ = -absl::InfiniteDuration();
};

}  // namespace paddock
