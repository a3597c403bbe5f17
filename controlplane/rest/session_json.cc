#include "controlplane/rest/session_json.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/errors.h"
#include "common/ids.h"
#include "common/status_macros.h"
#include "controlplane/core/json_path.h"
#include "controlplane/core/object_reader.h"
#include "controlplane/rest/agent_json.h"
#include "controlplane/rest/rest_time.h"

namespace paddock {
namespace {

using OrderedJson = nlohmann::ordered_json;

absl::string_view StatusName(SessionStatusKind status) {
  switch (status) {
    case SessionStatusKind::kIdle:
      return "idle";
    case SessionStatusKind::kRescheduling:
      return "rescheduling";
    case SessionStatusKind::kTerminated:
      return "terminated";
  }
  return "terminated";
}

absl::string_view EventType(SessionStatusKind status) {
  switch (status) {
    case SessionStatusKind::kIdle:
      return "session.status_idle";
    case SessionStatusKind::kRescheduling:
      return "session.status_rescheduled";
    case SessionStatusKind::kTerminated:
      return "session.status_terminated";
  }
  return "";
}

double DurationSeconds(const Session& session, absl::Time now) {
  const bool ended = StatusKindOf(session) == SessionStatusKind::kTerminated;
  const absl::Time end = ended ? TerminatedAt(session) : now;
  return absl::ToDoubleSeconds(std::max(absl::ZeroDuration(), end - session.created_at));
}

bool IsEmpty(const nlohmann::json* value) {
  return value == nullptr || value->is_null() || (value->is_array() && value->empty());
}

// `agent` is an id, or an object with one.
std::optional<AgentReference> ReadAgent(ObjectReader* body, Violations* violations) {
  const nlohmann::json* value = body->Find("agent");
  if (value == nullptr || value->is_null()) {
    violations->Add("agent", "is required: an agent's id, or an object with one");
    return std::nullopt;
  }
  AgentReference reference;
  if (value->is_string()) {
    reference.id = AgentId(value->get<std::string>());
    return reference;
  }
  if (!value->is_object()) {
    violations->Add("agent", "must be an agent's id, or an object with one");
    return std::nullopt;
  }
  ObjectReader agent("agent", *value, violations);
  const std::string type = agent.Type({"agent", "agent_with_overrides"});
  reference.id = AgentId(agent.Required("id"));
  reference.version = agent.Integer("version", 1).value_or(0);
  if (type == "agent_with_overrides") reference.overrides = ReadOverrides(&agent, violations);
  if (!type.empty()) agent.RefuseTheRest();
  return reference;
}

// Members that other servers of this API know and this one can't serve: fine while they ask for
// nothing.
absl::Status RefuseUnsupported(ObjectReader* body) {
  if (!IsEmpty(body->Find("initial_events"))) return errors::NoModel("initial_events");
  if (!IsEmpty(body->Find("budget"))) {
    return errors::FieldNotSupported("budget", "this server runs no model, so nothing is spent");
  }
  if (!IsEmpty(body->Find("vault_ids"))) {
    return errors::FieldNotSupported("vault_ids", "this server has no vaults");
  }
  if (!IsEmpty(body->Find("resources"))) {
    return errors::FieldNotSupported("resources",
                                     "files, repositories and memory stores aren't supported yet");
  }
  return absl::OkStatus();
}

void ReadStatuses(const std::vector<std::string>& statuses, Violations* violations,
                  SessionListQuery* list) {
  std::vector<SessionPhase>& phases = list->request.filter.phases;
  for (size_t i = 0; i < statuses.size() && !violations->full(); ++i) {
    if (statuses[i] == "idle") {
      phases.insert(phases.end(),
                    {SessionPhase::kPending, SessionPhase::kStarting, SessionPhase::kRunning});
    } else if (statuses[i] == "rescheduling") {
      phases.push_back(SessionPhase::kRescheduling);
    } else if (statuses[i] == "terminated") {
      phases.insert(phases.end(), {SessionPhase::kStopping, SessionPhase::kTerminated});
    } else if (statuses[i] != "running") {  // No agent runs here, so no session is that.
      violations->Add(ItemPath("statuses", i), "must be rescheduling, running, idle or terminated");
    }
  }
  if (!statuses.empty() && phases.empty()) list->matches_none = true;
}

// Stored times are whole microseconds; the filter's bounds are exclusive.
void ReadCreatedAt(QueryReader* query, SessionFilter* filter) {
  const absl::Duration unit = absl::Microseconds(1);
  const auto floor = [unit](absl::Time time) {
    return absl::UnixEpoch() + absl::Floor(time - absl::UnixEpoch(), unit);
  };
  const auto ceil = [unit](absl::Time time) {
    return absl::UnixEpoch() + absl::Ceil(time - absl::UnixEpoch(), unit);
  };
  const auto after = [filter](absl::Time time) {
    filter->created_after = std::max(filter->created_after.value_or(time), time);
  };
  const auto before = [filter](absl::Time time) {
    filter->created_before = std::min(filter->created_before.value_or(time), time);
  };
  if (const auto time = query->Time("created_at[gt]")) after(floor(*time));
  if (const auto time = query->Time("created_at[gte]")) after(ceil(*time) - unit);
  if (const auto time = query->Time("created_at[lt]")) before(ceil(*time));
  if (const auto time = query->Time("created_at[lte]")) before(floor(*time) + unit);
}

ListOrder ReadOrder(QueryReader* query, Violations* violations) {
  const std::string order = query->String("order").value_or("desc");
  if (order == "asc") return ListOrder::kOldestFirst;
  if (order != "desc") violations->Add("order", "must be asc or desc");
  return ListOrder::kNewestFirst;
}

}  // namespace

OrderedJson ToJson(const Session& session, absl::Time now) {
  OrderedJson json = {
      {"id", session.id.value()},
      {"type", "session"},
      {"status", StatusName(StatusKindOf(session))},
      {"title", nullptr},
      {"agent", nullptr},
      {"environment_id", session.environment_id.value()},
      {"metadata", session.metadata},
      {"resources", OrderedJson::array()},
      {"vault_ids", OrderedJson::array()},
      {"outcome_evaluations", OrderedJson::array()},
      {"budget", nullptr},
      {"deployment_id", nullptr},
      {"stats", {{"active_seconds", 0.0}, {"duration_seconds", DurationSeconds(session, now)}}},
      {"usage", OrderedJson::object()},
      {"created_at", ToRestTime(session.created_at)},
      {"updated_at", ToRestTime(session.updated_at)},
      {"archived_at", ToRestTime(session.archived_at)}};
  if (session.title.has_value()) json["title"] = *session.title;
  if (session.agent.has_value()) json["agent"] = SnapshotJson(*session.agent);
  return json;
}

std::vector<ShownEvent> ShownEvents(const Session& session, const SessionEvent& event) {
  const std::string id = absl::StrCat(
      "sevt_", absl::StripPrefix(session.id.value(), kSessionPrefix), "_", event.number);
  const std::string at = ToRestTime(event.at);
  std::vector<ShownEvent> shown;
  const std::string failure =
      event.status == SessionStatusKind::kTerminated ? FailureOf(session) : std::string();
  if (!failure.empty()) {
    shown.push_back({event.at,
                     {{"id", id + "_error"},
                      {"type", "session.error"},
                      {"processed_at", at},
                      {"error",
                       {{"type", "unknown_error"},
                        {"message", failure},
                        {"retry_status", {{"type", "terminal"}}}}}}});
  }
  shown.push_back(
      {event.at, {{"id", id}, {"type", EventType(event.status)}, {"processed_at", at}}});
  if (event.status == SessionStatusKind::kIdle) {
    shown.back().json["stop_reason"] = {{"type", "end_turn"}};
  }
  return shown;
}

absl::StatusOr<CreateSessionRequest> NewSessionRequest(const nlohmann::json& body) {
  Violations violations;
  CreateSessionRequest request;
  ObjectReader reader("", body, &violations);
  request.agent = ReadAgent(&reader, &violations);
  request.environment_id = EnvironmentId(reader.Required("environment_id"));
  const Change<std::string> title = reader.String("title");
  if (title.sets()) request.title = title.value();
  for (const auto& [key, value] : reader.NewMetadata().entries) {
    request.metadata.emplace(key, value.value_or(""));
  }
  const absl::Status supported = RefuseUnsupported(&reader);
  reader.RefuseTheRest();
  PADDOCK_RETURN_IF_ERROR(violations.ToStatus());
  PADDOCK_RETURN_IF_ERROR(supported);
  return request;
}

absl::StatusOr<SessionPatch> UpdateSessionPatch(const nlohmann::json& body) {
  Violations violations;
  SessionPatch patch;
  ObjectReader reader("", body, &violations);
  const Change<std::string> title = reader.String("title");
  if (title.sets()) patch.title = std::optional<std::string>(title.value());
  if (title.clears()) patch.title = std::optional<std::string>();
  patch.metadata = reader.MergedMetadata(ObjectReader::Empty::kStore);
  if (const nlohmann::json* value = reader.Find("agent"); value != nullptr && !value->is_null()) {
    ObjectReader agent("agent", *value, &violations);
    AgentOverrides overrides = ReadToolOverrides(&agent, &violations);
    patch.tools = std::move(overrides.tools);
    patch.mcp_servers = std::move(overrides.mcp_servers);
    agent.RefuseTheRest();
  }
  const absl::Status supported = RefuseUnsupported(&reader);
  reader.RefuseTheRest();
  PADDOCK_RETURN_IF_ERROR(violations.ToStatus());
  PADDOCK_RETURN_IF_ERROR(supported);
  return patch;
}

absl::StatusOr<SessionListQuery> ReadSessionList(const Target& target) {
  Violations violations;
  QueryReader query(target, &violations);
  SessionListQuery list;
  SessionFilter& filter = list.request.filter;
  if (const auto id = query.String("agent_id")) filter.agent_id = AgentId(*id);
  filter.agent_version = query.Integer("agent_version", 1, std::numeric_limits<int64_t>::max());
  if (filter.agent_version.has_value() && !filter.agent_id.has_value()) {
    violations.Add("agent_version", "needs agent_id");
  }
  ReadCreatedAt(&query, &filter);
  ReadStatuses(query.Strings("statuses"), &violations, &list);
  filter.archived = query.IncludeArchived();
  filter.order = ReadOrder(&query, &violations);
  // There are neither, so no session has one.
  const bool of_deployment = query.String("deployment_id").has_value();
  const bool of_memory_store = query.String("memory_store_id").has_value();
  list.matches_none |= of_deployment || of_memory_store;
  list.request.page = {query.Limit(kMaxPageSize), query.String("page").value_or("")};
  query.RefuseTheRest();
  PADDOCK_RETURN_IF_ERROR(violations.ToStatus());
  return list;
}

}  // namespace paddock
