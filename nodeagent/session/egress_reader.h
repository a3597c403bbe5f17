#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "nodeagent/egress/gateway_client.h"
#include "nodeagent/session/egress_archive.h"
#include "nodeagent/session/session_manager.h"

namespace paddock::nodeagent {

// All events of a session that the gateway process keeps, oldest first. NOT_FOUND when it doesn't
// know the session.
absl::StatusOr<std::vector<EgressEvent>> ReadAllEgress(GatewayClient* gateway,
                                                       const std::string& session_id);

// What a session's network policy let through and refused: from the gateway process while that has
// the session, from the archive afterwards. Every call blocks for one or the other; UNAVAILABLE
// while there is no gateway process. Thread-safe.
class EgressReader {
 public:
  // Not owned.
  EgressReader(const SessionManager* manager, GatewayClient* gateway, const EgressArchive* archive)
      : manager_(manager), gateway_(gateway), archive_(archive) {}

  struct Part {
    EgressPage page;     // Oldest first.
    bool ended = false;  // Nothing comes after what is kept now.
  };
  // Up to `limit` events with a sequence above `after_sequence`. A generation that isn't here has
  // ended.
  absl::StatusOr<Part> ReadAfter(const std::string& session_id, int64_t generation,
                                 int64_t after_sequence, int limit) const;

  // Up to `limit` events with a sequence below `before_sequence` (0: any), newest first.
  absl::StatusOr<EgressPage> ReadBefore(const std::string& session_id, int64_t generation,
                                        int64_t before_sequence, int limit) const;

 private:
  const SessionManager* const manager_;
  GatewayClient* const gateway_;
  const EgressArchive* const archive_;
};

}  // namespace paddock::nodeagent
