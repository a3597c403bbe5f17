#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nodeagent/system/unique_fd.h"

namespace paddock::nodeagent {

// A user namespace and the network namespace inside it, with a routed /32 veth into the router
// namespace. It is made ahead, held only by its file descriptors (and, once used, by the
// container), and never reused by another session. When the last holder goes, the kernel removes
// the veth with it.
struct NamespacePair {
  int index = -1;           // Slot: decides uid range and address. Free again only after Release.
  uint32_t uid_base = 0;    // 65,536 ids from here.
  std::string address;      // IPv4 of the sandbox, no prefix length.
  std::string gateway;      // Where its default route and resolv.conf point.
  std::string router_veth;  // Name of the router's end.
  UniqueFd userns;
  UniqueFd netns;
};

// Makes pairs ahead and hands them out. Thread-safe.
class NamespacePool {
 public:
  virtual ~NamespacePool() = default;
  // A ready pair, or makes one now. RESOURCE_EXHAUSTED when every slot is in use.
  virtual absl::StatusOr<NamespacePair> Acquire() = 0;
  // Marks the slot of a session that runs already (after an agent's restart) as used.
  // ALREADY_EXISTS if it is taken.
  virtual absl::Status Adopt(int index) = 0;
  // The pair's session is gone: removes the router's end if it is still there, purges the address's
  // conntrack entries, frees the slot. Idempotent.
  virtual absl::Status Release(int index) = 0;
  // Removes router ends that belong to no adopted slot (a crashed agent's); call once, after the
  // adoptions.
  virtual absl::Status Sweep() = 0;
  // Starts filling the pool in the background.
  virtual void Start() = 0;
};

}  // namespace paddock::nodeagent
