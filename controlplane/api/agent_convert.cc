#include "controlplane/api/agent_convert.h"

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "common/proto_time.h"
#include "common/status_macros.h"
#include "controlplane/api/json_convert.h"
#include "controlplane/api/request_convert.h"

namespace paddock {
namespace {

using ProtoServers = google::protobuf::RepeatedPtrField<v1::McpServer>;
using ProtoStructs = google::protobuf::RepeatedPtrField<google::protobuf::Struct>;
using Text = Change<std::string>;
using Json = Change<nlohmann::json>;
using Servers = Change<std::vector<McpServer>>;
using Objects = Change<std::vector<nlohmann::json>>;

std::vector<McpServer> ToServers(const ProtoServers& servers) {
  std::vector<McpServer> result;
  for (const v1::McpServer& server : servers) result.push_back({server.name(), server.url()});
  return result;
}

std::vector<nlohmann::json> ToObjects(const ProtoStructs& structs) {
  std::vector<nlohmann::json> result;
  for (const google::protobuf::Struct& object : structs) result.push_back(FromProto(object));
  return result;
}

AgentPatch WhatIsSet(const v1::UpdateAgentRequest& request) {
  AgentPatch patch;
  if (request.has_name()) patch.name = Text::Set(request.name());
  if (request.has_description()) patch.description = Text::Set(request.description());
  if (request.has_model()) patch.model = Json::Set(FromProto(request.model()));
  if (request.has_system()) patch.system = Text::Set(request.system());
  if (!request.mcp_servers().empty()) {
    patch.mcp_servers = Servers::Set(ToServers(request.mcp_servers()));
  }
  if (!request.tools().empty()) patch.tools = Objects::Set(ToObjects(request.tools()));
  if (!request.skills().empty()) patch.skills = Objects::Set(ToObjects(request.skills()));
  patch.metadata = MergeMetadata(request.metadata());
  return patch;
}

using Request = v1::UpdateAgentRequest;
using Apply = std::function<void(const Request&, AgentPatch*)>;

const std::map<absl::string_view, Apply>& Paths() {
  static const auto* const paths = new std::map<absl::string_view, Apply>{
      {"name",
       [](const Request& request, AgentPatch* patch) {
         patch->name = request.has_name() ? Text::Set(request.name()) : Text::Clear();
       }},
      {"description",
       [](const Request& request, AgentPatch* patch) {
         patch->description =
             request.has_description() ? Text::Set(request.description()) : Text::Clear();
       }},
      {"model",
       [](const Request& request, AgentPatch* patch) {
         patch->model = request.has_model() ? Json::Set(FromProto(request.model())) : Json::Clear();
         patch->replaces_model = true;
       }},
      {"system",
       [](const Request& request, AgentPatch* patch) {
         patch->system = request.has_system() ? Text::Set(request.system()) : Text::Clear();
       }},
      {"mcp_servers",
       [](const Request& request, AgentPatch* patch) {
         patch->mcp_servers = Servers::Set(ToServers(request.mcp_servers()));
       }},
      {"tools", [](const Request& request,
                   AgentPatch* patch) { patch->tools = Objects::Set(ToObjects(request.tools())); }},
      {"skills",
       [](const Request& request, AgentPatch* patch) {
         patch->skills = Objects::Set(ToObjects(request.skills()));
       }},
      {"metadata",
       [](const Request& request, AgentPatch* patch) {
         patch->metadata = ReplaceMetadata(request.metadata());
       }},
  };
  return *paths;
}

}  // namespace

v1::Agent ToProto(const Agent& agent) {
  v1::Agent proto;
  proto.set_id(agent.id.value());
  proto.set_version(agent.version);
  proto.set_name(agent.name);
  proto.set_description(agent.description.value_or(""));
  *proto.mutable_model() = ToProtoValue(agent.model);
  proto.set_system(agent.system.value_or(""));
  for (const McpServer& server : agent.mcp_servers) {
    v1::McpServer* added = proto.add_mcp_servers();
    added->set_name(server.name);
    added->set_url(server.url);
  }
  for (const nlohmann::json& tool : agent.tools) *proto.add_tools() = ToProtoStruct(tool);
  for (const nlohmann::json& skill : agent.skills) *proto.add_skills() = ToProtoStruct(skill);
  *proto.mutable_metadata() = ToProtoMap(agent.metadata);
  *proto.mutable_created_at() = ToTimestamp(agent.created_at);
  *proto.mutable_updated_at() = ToTimestamp(agent.updated_at);
  if (agent.archived_at) *proto.mutable_archived_at() = ToTimestamp(*agent.archived_at);
  return proto;
}

AgentPatch PatchOf(const v1::CreateAgentRequest& request) {
  AgentPatch patch;
  patch.name = Text::Set(request.name());
  patch.description = Text::Set(request.description());
  if (request.has_model()) patch.model = Json::Set(FromProto(request.model()));
  patch.system = Text::Set(request.system());
  patch.mcp_servers = Servers::Set(ToServers(request.mcp_servers()));
  patch.tools = Objects::Set(ToObjects(request.tools()));
  patch.skills = Objects::Set(ToObjects(request.skills()));
  patch.metadata = SetMetadata(FromProtoMap(request.metadata()));
  return patch;
}

absl::StatusOr<AgentPatch> PatchOf(const v1::UpdateAgentRequest& request) {
  if (!request.has_update_mask()) return WhatIsSet(request);
  std::set<absl::string_view> known;
  for (const auto& entry : Paths()) known.insert(entry.first);
  PADDOCK_ASSIGN_OR_RETURN(const std::set<std::string> mask,
                           ReadMask(request.update_mask(), known));
  AgentPatch patch;
  for (const std::string& path : mask) Paths().at(path)(request, &patch);
  return patch;
}

AgentOverrides FromProto(const v1::AgentOverrides& overrides) {
  AgentOverrides result;
  if (overrides.has_model()) result.model = FromProto(overrides.model());
  if (overrides.has_system()) result.system = overrides.system();
  if (overrides.has_mcp_servers()) result.mcp_servers = ToServers(overrides.mcp_servers().items());
  if (overrides.has_tools()) result.tools = ToObjects(overrides.tools().items());
  if (overrides.has_skills()) result.skills = ToObjects(overrides.skills().items());
  return result;
}

}  // namespace paddock
