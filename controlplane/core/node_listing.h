#pragma once

#include <map>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace paddock {

// The Node object of Kubernetes that stands for a machine. A uid is never used again, a name is.
struct NodeObject {
  std::string cluster;  // Tells clusters apart.
  std::string name;
  std::string uid;
};

// `cluster/name/uid`, as agents report it and listings say it; nullopt for anything else.
std::optional<NodeObject> ParseNodeObject(absl::string_view text);

// Every Node object that one cluster had at one moment.
struct NodeListing {
  std::string stamp;  // Another one for each listing.
  std::string cluster;
  std::map<std::string, std::string> uids;  // By name.

  // Whether the object is gone: it is of this cluster, and neither its uid nor, since a machine may
  // have been given another object, its name is there.
  bool Lacks(const NodeObject& object) const;
};

// The file that deploy/kubernetes/scripts/node-list writes. INVALID_ARGUMENT for what isn't whole
// or names no node: that proves nothing. Pure.
absl::StatusOr<NodeListing> ParseNodeListing(absl::string_view text);

}  // namespace paddock
