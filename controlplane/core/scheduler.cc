#include "controlplane/core/scheduler.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/errors.h"
#include "controlplane/core/idempotency.h"

namespace paddock {
namespace {

constexpr size_t kEnough = 32;
constexpr size_t kMaxCandidates = 5;
constexpr size_t kMaxReasons = 3;
// More than the spread between an empty and a full node.
constexpr double kImageBonus = 2.0;
// More than all else: a node that has just failed is the last choice, and still one.
constexpr double kAvoidedMalus = 10.0;

double Share(int64_t used, int64_t request, int64_t capacity) {
  return static_cast<double>(used + request) / static_cast<double>(std::max<int64_t>(capacity, 1));
}

template <typename T>
bool Contains(const std::vector<T>& values, const T& value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

bool HasLabels(const Node& node, const std::map<std::string, std::string>& labels) {
  return std::all_of(labels.begin(), labels.end(), [&](const auto& label) {
    auto it = node.labels.find(label.first);
    return it != node.labels.end() && it->second == label.second;
  });
}

NodeResources Used(const Node& node, const NodeResources& recent) {
  return {node.used.cpu_millis + recent.cpu_millis, node.used.memory_bytes + recent.memory_bytes,
          node.used.disk_bytes + recent.disk_bytes, node.used.sessions + recent.sessions};
}

bool HasRoom(const Node& node, const ComputeRequests& requests, const NodeResources& recent) {
  const NodeResources used = Used(node, recent);
  return used.cpu_millis + requests.cpu_millis <= node.capacity.cpu_millis &&
         used.memory_bytes + requests.memory_bytes <= node.capacity.memory_bytes &&
         used.disk_bytes + requests.disk_bytes <= node.capacity.disk_bytes &&
         used.sessions < node.capacity.sessions;
}

absl::string_view Describe(Unfit unfit) {
  switch (unfit) {
    case Unfit::kNone:
      return "fit";
    case Unfit::kNotReady:
      return "don't answer";
    case Unfit::kCordoned:
      return "are cordoned";
    case Unfit::kNotSchedulable:
      return "take no work";
    case Unfit::kLabels:
      return "lack the labels";
    case Unfit::kRuntime:
      return "lack the runtime class";
    case Unfit::kImage:
      return "lack the image";
    case Unfit::kRoom:
      return "have no room";
  }
  return "";
}

SchedulingResult Explain(const std::map<Unfit, int>& counts, size_t nodes) {
  SchedulingResult result;
  if (nodes == 0) {
    result.reason = "NO_NODES";
    result.message = "No node has registered.";
    return result;
  }
  // Of the nodes that could ever run it.
  bool silent = false, answering = false;
  std::vector<std::string> parts;
  for (const auto& [unfit, count] : counts) {
    if (unfit == Unfit::kNotReady) {
      silent = true;
    } else if (unfit != Unfit::kLabels && unfit != Unfit::kRuntime) {
      answering = true;
    }
    parts.push_back(absl::StrCat(count, " ", Describe(unfit)));
  }
  result.reason = answering ? "NO_ROOM" : silent ? "NO_READY_NODE" : "NO_MATCHING_NODE";
  result.message = absl::StrCat("Of ", nodes, " nodes ", absl::StrJoin(parts, ", "), ".");
  return result;
}

}  // namespace

Unfit CheckFit(const Node& node, const PlacementNeeds& needs, const NodeResources& recent) {
  if (!HasLabels(node, needs.node_labels)) return Unfit::kLabels;
  if (!needs.runtime_class.empty() && !Contains(node.runtime_classes, needs.runtime_class)) {
    return Unfit::kRuntime;
  }
  if (node.state != NodeState::kReady) return Unfit::kNotReady;
  if (node.cordoned) return Unfit::kCordoned;
  if (!node.not_schedulable_reason.empty()) return Unfit::kNotSchedulable;
  if (!needs.image_digest.empty() && !needs.image_can_be_pulled &&
      !Contains(node.images, needs.image_digest)) {
    return Unfit::kImage;
  }
  return HasRoom(node, needs.requests, recent) ? Unfit::kNone : Unfit::kRoom;
}

double ScoreNode(const Node& node, const PlacementNeeds& needs, const NodeResources& recent) {
  const NodeResources used = Used(node, recent);
  const double fullest =
      std::max({Share(used.cpu_millis, needs.requests.cpu_millis, node.capacity.cpu_millis),
                Share(used.memory_bytes, needs.requests.memory_bytes, node.capacity.memory_bytes),
                Share(used.disk_bytes, needs.requests.disk_bytes, node.capacity.disk_bytes),
                Share(used.sessions, 1, node.capacity.sessions)});
  const bool has_image = needs.image_digest.empty() || Contains(node.images, needs.image_digest);
  return (has_image ? kImageBonus : 0.0) - (node.avoided ? kAvoidedMalus : 0.0) + 1.0 - fullest;
}

SchedulingResult Schedule(const std::vector<Node>& nodes, const PlacementNeeds& needs,
                          uint64_t seed, const RecentCharges* recent) {
  std::vector<std::pair<double, const Node*>> fitting;
  std::map<Unfit, int> unfit;
  for (size_t i = 0; i < nodes.size() && fitting.size() < kEnough; ++i) {
    const size_t position = (seed + i) % nodes.size();
    const Node& node = nodes[position];
    const NodeResources charged = recent == nullptr ? NodeResources() : recent->At(position);
    const Unfit why = CheckFit(node, needs, charged);
    if (why == Unfit::kNone) {
      fitting.emplace_back(ScoreNode(node, needs, charged), &node);
    } else {
      ++unfit[why];
    }
  }
  if (fitting.empty()) return Explain(unfit, nodes.size());
  const size_t count = std::min(kMaxCandidates, fitting.size());
  std::partial_sort(fitting.begin(), fitting.begin() + count, fitting.end(),
                    [](const auto& a, const auto& b) { return a.first > b.first; });
  SchedulingResult result;
  for (size_t i = 0; i < count; ++i) result.candidates.push_back(fitting[i].second->id);
  return result;
}

absl::Status CheckRuntimeClass(const std::vector<Node>& nodes, const std::string& runtime_class) {
  if (runtime_class.empty() || nodes.empty()) return absl::OkStatus();
  std::map<std::string, std::vector<const Node*>> reasons;  // With the nodes that say so.
  for (const Node& node : nodes) {
    if (Contains(node.runtime_classes, runtime_class)) return absl::OkStatus();
    const auto reason = node.details.find(absl::StrCat("runtime_", runtime_class));
    reasons[reason == node.details.end() ? "doesn't offer it" : reason->second].push_back(&node);
  }
  std::vector<std::string> parts;
  for (const auto& [reason, saying] : reasons) {
    if (parts.size() == kMaxReasons) break;
    const size_t others = saying.size() - 1;
    parts.push_back(absl::StrCat("node ", saying[0]->name,
                                 others == 0 ? "" : absl::StrCat(" and ", others, " more"), ": ",
                                 reason));
  }
  const std::string lacking = nodes.size() == 1
                                  ? "the only node lacks it"
                                  : absl::StrCat("all ", nodes.size(), " nodes lack it");
  return errors::RuntimeClassUnavailable(runtime_class,
                                         absl::StrCat(lacking, ": ", absl::StrJoin(parts, "; ")));
}

std::string ShapeOf(const PlacementNeeds& needs) {
  std::string text =
      absl::StrCat(needs.requests.cpu_millis, "/", needs.requests.memory_bytes, "/",
                   needs.requests.disk_bytes, "/", needs.runtime_class, "/", needs.image_digest);
  for (const auto& [key, value] : needs.node_labels) {
    absl::StrAppend(&text, "/", key.size(), ":", key, "=", value.size(), ":", value);
  }
  return Sha256Hex(text).substr(0, 16);
}

}  // namespace paddock
