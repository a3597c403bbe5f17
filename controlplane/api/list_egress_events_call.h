#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "controlplane/api/async_call.h"
#include "controlplane/api/node_router.h"
#include "controlplane/core/page.h"
#include "paddock/v1/session.pb.h"

namespace paddock {

// A page of a session's egress events as it is asked of the session's agent.
struct EgressPageQuery {
  std::string scope;  // Of its page tokens.
  int limit = 0;
  // Where the page before ended; 0: at the newest event.
  int64_t generation = 0;
  int64_t before_sequence = 0;
};

// INVALID_ARGUMENT as ParsePageRequest. Pure.
absl::StatusOr<EgressPageQuery> ParseEgressPage(const Tenant& tenant,
                                                const v1::ListEgressEventsRequest& request);

// Asks the session's agent, newest first. Events of an earlier generation are gone. Ends within 30
// seconds or at `deadline`.
void ListEgressEventsOnNode(NodeRoute route, std::chrono::system_clock::time_point deadline,
                            const std::string& session_id, const EgressPageQuery& query,
                            AsyncCall<v1::ListEgressEventsResponse>::Done done);

}  // namespace paddock
