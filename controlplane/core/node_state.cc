#include "controlplane/core/node_state.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace paddock {
namespace {

std::string Silence(const Node& node) {
  return absl::StrCat("No heartbeat for ",
                      absl::FormatDuration(absl::Trunc(node.silent_for, absl::Seconds(1))), ".");
}

}  // namespace

void SetNodeState(const Settings& settings, Node* node) {
  if (node->silent_for < -settings.not_ready_after) {
    // The database's clock was stepped back: the next heartbeat tells whether the node answers.
    node->state = NodeState::kNotReady;
    node->state_reason = "Its last heartbeat lies in the future.";
  } else if (node->silent_for > settings.lost_after) {
    node->state = NodeState::kLost;
    node->state_reason = Silence(*node);
  } else if (node->silent_for > settings.not_ready_after) {
    node->state = NodeState::kNotReady;
    node->state_reason = Silence(*node);
  } else {
    node->state = NodeState::kReady;
    node->state_reason = !node->not_schedulable_reason.empty() ? node->not_schedulable_reason
                         : node->draining                      ? "It is being drained."
                         : node->cordoned                      ? "It is cordoned."
                                                               : "";
  }
}

}  // namespace paddock
