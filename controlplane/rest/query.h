#pragma once

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "controlplane/core/store_types.h"
#include "controlplane/core/violations.h"

namespace paddock {

// What a request's target names: the path's segments and the query's parameters, all decoded.
struct Target {
  std::vector<std::string> path;
  std::vector<std::pair<std::string, std::string>> query;

  // Of an origin-form target such as `/v1/agents/agent_1?limit=2`. A trailing slash is an empty
  // segment. INVALID_ARGUMENT when it is none or an escape is wrong. Pure.
  static absl::StatusOr<Target> Parse(absl::string_view target);
};

// Reads a query's parameters by name and says which are wrong or not known. `beta`, which some
// clients send, is known and means nothing. Not thread-safe; `target` and `violations` must
// outlive it.
class QueryReader {
 public:
  QueryReader(const Target& target, Violations* violations);
  QueryReader(const QueryReader&) = delete;
  QueryReader& operator=(const QueryReader&) = delete;

  // Given twice: a violation.
  std::optional<std::string> String(absl::string_view name);
  // `name[]=a&name[]=b`, or `name=a`.
  std::vector<std::string> Strings(absl::string_view name);
  std::optional<absl::Time> Time(absl::string_view name);
  std::optional<int64_t> Integer(absl::string_view name, int64_t minimum, int64_t maximum);
  // `include_archived`.
  Archived IncludeArchived();
  // `limit`, 1 to `maximum`; 0 when absent.
  int Limit(int maximum);

  // Each parameter that nobody asked for is a violation. Call last.
  void RefuseTheRest();

 private:
  const Target& target_;
  Violations* const violations_;
  std::set<std::string> known_;
};

}  // namespace paddock
