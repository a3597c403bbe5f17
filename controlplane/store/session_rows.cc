#include "controlplane/store/session_rows.h"

#include <utility>

#include "controlplane/store/json_codec.h"
#include "controlplane/store/row_reader.h"

namespace paddock {

absl::string_view OnNodeLossName(OnNodeLoss on_node_loss) {
  switch (on_node_loss) {
    case OnNodeLoss::kKeep:
      return "KEEP";
    case OnNodeLoss::kReschedule:
      return "RESCHEDULE";
  }
  return "KEEP";
}

OnNodeLoss ParseOnNodeLoss(absl::string_view name) {
  return name == "RESCHEDULE" ? OnNodeLoss::kReschedule : OnNodeLoss::kKeep;
}

SessionPhase PhaseFromName(absl::string_view name) {
  return ParseSessionPhase(name).value_or(SessionPhase::kTerminated);
}

Session ReadSession(const pqxx::row& row) {
  RowReader reader(row);
  Session session;
  session.id = SessionId(reader.String());
  session.tenant.organization = reader.String();
  session.tenant.workspace = reader.String();
  session.environment_id = EnvironmentId(reader.String());
  session.title = reader.OptionalString();
  session.metadata = DecodeMap(reader.Text());
  DecodeSessionDocument(reader.Text(), &session);
  session.compute.requests.cpu_millis = reader.Integer();
  session.compute.requests.memory_bytes = reader.Integer();
  session.compute.requests.disk_bytes = reader.Integer();
  session.on_node_loss = ParseOnNodeLoss(reader.Text());
  session.state = PhaseFromName(reader.Text());
  session.reason = reader.String();
  session.message = reader.String();
  session.generation = reader.Integer();
  session.node_id = NodeId(reader.String());
  session.exit_code = reader.OptionalInteger();
  session.revision = reader.Integer();
  session.created_at = reader.Time();
  session.updated_at = reader.Time();
  session.started_at = reader.OptionalTime();
  session.ended_at = reader.OptionalTime();
  session.archived_at = reader.OptionalTime();
  session.node_reachable = reader.Boolean();
  return session;
}

std::string EncodeSession(const Session& session) {
  auto micros = [](const std::optional<absl::Time>& time) {
    return time.has_value() ? nlohmann::json(absl::ToUnixMicros(*time)) : nlohmann::json();
  };
  nlohmann::json object = {{"id", session.id.value()},
                           {"environment_id", session.environment_id.value()},
                           {"metadata", session.metadata},
                           {"document", EncodeSessionDocument(session)},
                           {"request_cpu", session.compute.requests.cpu_millis},
                           {"request_memory", session.compute.requests.memory_bytes},
                           {"request_disk", session.compute.requests.disk_bytes},
                           {"on_node_loss", std::string(OnNodeLossName(session.on_node_loss))},
                           {"state", std::string(SessionPhaseName(session.state))},
                           {"reason", session.reason},
                           {"message", session.message},
                           {"generation", session.generation},
                           {"node_id", session.node_id.value()},
                           {"revision", session.revision},
                           {"created_at", absl::ToUnixMicros(session.created_at)},
                           {"updated_at", absl::ToUnixMicros(session.updated_at)},
                           {"started_at", micros(session.started_at)},
                           {"ended_at", micros(session.ended_at)},
                           {"archived_at", micros(session.archived_at)}};
  if (session.title.has_value()) object["title"] = *session.title;
  if (session.exit_code.has_value()) object["exit_code"] = *session.exit_code;
  return DumpJson(object);
}

Session DecodeSession(absl::string_view text, const Tenant& tenant) {
  const nlohmann::json object = ParseJson(text);
  auto time = [&](const char* key) -> std::optional<absl::Time> {
    if (!object.contains(key) || !object[key].is_number_integer()) return std::nullopt;
    return absl::FromUnixMicros(object[key].get<int64_t>());
  };
  Session session;
  session.tenant = tenant;
  if (!object.is_object()) return session;
  session.id = SessionId(object.value("id", ""));
  session.environment_id = EnvironmentId(object.value("environment_id", ""));
  session.metadata = object.value("metadata", Metadata());
  DecodeSessionDocument(object.value("document", ""), &session);
  session.compute.requests.cpu_millis = object.value("request_cpu", int64_t{0});
  session.compute.requests.memory_bytes = object.value("request_memory", int64_t{0});
  session.compute.requests.disk_bytes = object.value("request_disk", int64_t{0});
  session.on_node_loss = ParseOnNodeLoss(object.value("on_node_loss", ""));
  session.state = PhaseFromName(object.value("state", ""));
  session.reason = object.value("reason", "");
  session.message = object.value("message", "");
  session.generation = object.value("generation", int64_t{0});
  session.node_id = NodeId(object.value("node_id", ""));
  session.revision = object.value("revision", int64_t{0});
  session.created_at = time("created_at").value_or(absl::UnixEpoch());
  session.updated_at = time("updated_at").value_or(absl::UnixEpoch());
  session.started_at = time("started_at");
  session.ended_at = time("ended_at");
  session.archived_at = time("archived_at");
  if (object.contains("title")) session.title = object.value("title", "");
  if (object.contains("exit_code")) session.exit_code = object.value("exit_code", 0);
  return session;
}

std::optional<StopOrder> ReadStop(RowReader& reader, const SessionId& id,
                                  absl::string_view reason) {
  std::string node = reader.String();
  std::string address = reader.String();
  const int64_t generation = reader.Integer();
  if (node.empty()) return std::nullopt;
  return StopOrder{{NodeId(std::move(node)), std::move(address)},
                   {id, generation, std::string(reason)}};
}

}  // namespace paddock
