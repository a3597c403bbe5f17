#pragma once

#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nodeagent/net/network_plan.h"

namespace paddock::nodeagent {

// The synthetic addresses of one session's names. Every session uses the same pool; an address
// means a name only together with the session that was told it. A name keeps its address as long as
// the session lives, whatever becomes of the gateway process: a line of a file each, written before
// the address is told to anybody. Not thread-safe.
class SyntheticNames {
 public:
  static constexpr size_t kMaxNames = NetworkPlan::kSyntheticNames;

  // None yet, of a session that is new.
  explicit SyntheticNames(std::string path) : path_(std::move(path)) {}
  // Reads what is in `path`, which may be missing. What can't be understood is left out, together
  // with everything after it.
  static absl::StatusOr<SyntheticNames> Load(std::string path);

  // The address (host byte order) of a host name, given now if it has none. RESOURCE_EXHAUSTED when
  // every address is taken.
  absl::StatusOr<uint32_t> AddressOf(const std::string& name);
  // Empty if the address is no name's.
  absl::string_view NameOf(uint32_t address) const;
  size_t size() const { return names_.size(); }

 private:
  std::string path_;
  std::vector<std::string> names_;
  absl::flat_hash_map<std::string, uint32_t> index_of_;
};

}  // namespace paddock::nodeagent
