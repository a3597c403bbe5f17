#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "nodeagent/egress/gateway_client.h"

namespace paddock::nodeagent {

// What the network policies of ended sessions let through and refused: a file a session, of its
// newest generation. It helps people to understand a session that is over and is nobody's truth,
// so it is kept for a while only, and a crash may lose it. Thread-safe.
class EgressArchive {
 public:
  static constexpr absl::Duration kKeep = absl::Hours(24);
  static constexpr int64_t kMaxBytes = int64_t{64} << 20;
  static constexpr size_t kMaxFiles = 2000;

  explicit EgressArchive(std::string directory) : directory_(std::move(directory)) {}

  // Replaces what is kept of the session. Without events nothing is written.
  absl::Status Save(const std::string& session_id, int64_t generation,
                    std::vector<EgressEvent> events);
  // Oldest first; empty when nothing is kept of that generation.
  absl::StatusOr<std::vector<EgressEvent>> Load(const std::string& session_id,
                                                int64_t generation) const;
  // OK if nothing is kept.
  absl::Status Remove(const std::string& session_id);
  // Removes what ended more than kKeep before `now`, and the oldest beyond the bounds.
  absl::Status Prune(absl::Time now);

 private:
  std::string FileOf(const std::string& session_id) const;

  const std::string directory_;
};

}  // namespace paddock::nodeagent
