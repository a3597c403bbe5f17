#pragma once

#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace paddock {

// A string that is the id of one kind of thing, so that a session's id can't be passed as a node's.
template <typename Tag>
class StrongId {
 public:
  StrongId() = default;
  explicit StrongId(std::string value) : value_(std::move(value)) {}
  const std::string& value() const { return value_; }
  bool empty() const { return value_.empty(); }
  friend bool operator==(const StrongId& a, const StrongId& b) { return a.value_ == b.value_; }
  friend bool operator!=(const StrongId& a, const StrongId& b) { return a.value_ != b.value_; }
  friend bool operator<(const StrongId& a, const StrongId& b) { return a.value_ < b.value_; }
  template <typename H>
  friend H AbslHashValue(H h, const StrongId& id) {
    return H::combine(std::move(h), id.value_);
  }

 private:
  std::string value_;
};

using AgentId = StrongId<struct AgentIdTag>;
using EnvironmentId = StrongId<struct EnvironmentIdTag>;
using SessionId = StrongId<struct SessionIdTag>;
using NodeId = StrongId<struct NodeIdTag>;

inline constexpr absl::string_view kAgentPrefix = "agent_";
inline constexpr absl::string_view kEnvironmentPrefix = "env_";
inline constexpr absl::string_view kSessionPrefix = "sesn_";
inline constexpr absl::string_view kNodePrefix = "node_";
inline constexpr absl::string_view kApiKeyPrefix = "apikey_";

// `prefix` + 26 characters of Crockford's base32 in lower case: 48 bits of milliseconds since the
// epoch, then 80 random bits that rise within a millisecond. So the ids that a process makes sort
// in the order in which they were made, those of several by time; and they are safe in URLs and
// file names. Thread-safe.
std::string NewId(absl::string_view prefix, absl::Time now);

// Whether `id` has the form that NewId gives for `prefix`.
bool IsWellFormedId(absl::string_view prefix, absl::string_view id);

}  // namespace paddock
