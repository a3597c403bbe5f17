// Sessions as the REST API carries them. Pure.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "controlplane/core/resources.h"
#include "controlplane/core/session_events.h"
#include "controlplane/core/sessions.h"
#include "controlplane/rest/query.h"
#include "nlohmann/json.hpp"

namespace paddock {

// Explicit nulls. `now` is what durations of living sessions count to.
nlohmann::ordered_json ToJson(const Session& session, absl::Time now);

// INVALID_ARGUMENT naming each member that isn't known or of the wrong type; UNIMPLEMENTED naming
// one that asks for what this server has not: a model, vaults, resources. All other rules are
// core's.
// An event as clients see it.
struct ShownEvent {
  absl::Time at;
  nlohmann::ordered_json json;
  std::string type() const { return json["type"]; }
};

// `event` of `session`; before the end of one that failed stands a `session.error` that says why.
std::vector<ShownEvent> ShownEvents(const Session& session, const SessionEvent& event);

absl::StatusOr<CreateSessionRequest> NewSessionRequest(const nlohmann::json& body);
absl::StatusOr<SessionPatch> UpdateSessionPatch(const nlohmann::json& body);

struct SessionListQuery {
  ListSessionsRequest request;
  // The filters ask for what no session here is or has.
  bool matches_none = false;
};
absl::StatusOr<SessionListQuery> ReadSessionList(const Target& target);

}  // namespace paddock
