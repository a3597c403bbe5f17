#pragma once

#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nodeagent/egress/gateway_client.h"

namespace paddock::nodeagent {

// Lower case, without the one trailing dot that a fully qualified name may have; pure.
std::string NormalizeName(absl::string_view name);

// Whether a normalized name has the form of a host's: labels of 1 to 63 letters, digits, hyphens
// and underscores, 253 characters at most. Nothing else is ever allowed or looked up; pure.
bool IsHostName(absl::string_view name);

// What a limited session may reach; pure, immutable. The cost of a question depends on the name's
// labels, not on how many hosts there are. Names are normalized ones.
//
// A bare host is that name alone; `*.example.com` every name below example.com at any depth, not
// example.com itself.
class EgressPolicy {
 public:
  // INVALID_ARGUMENT if any entry is malformed: then nothing may be let out.
  static absl::StatusOr<EgressPolicy> Create(const NetworkPolicy& policy);

  // On at least one port.
  bool AllowsName(absl::string_view name) const;
  bool Allows(absl::string_view name, int port) const;

 private:
  bool AllowsEveryPort(absl::string_view name) const;

  absl::flat_hash_set<std::string> hosts_;
  absl::flat_hash_set<std::string> parents_;  // "example.com" of "*.example.com".
  absl::flat_hash_map<std::string, std::vector<int>> ports_;
};

}  // namespace paddock::nodeagent
