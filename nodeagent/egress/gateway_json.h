#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nodeagent/egress/gateway_client.h"
#include "nodeagent/egress/gateway_options.h"

namespace paddock::nodeagent {

// The gateway's types as JSON: in its files and on its socket. Pure. From...: INVALID_ARGUMENT for
// what is malformed or incomplete; unknown fields are ignored, so that an older gateway process
// understands a newer agent, but a policy that is unknown or malformed becomes kNone: no network.

nlohmann::json ToJson(const GatewaySession& session);
absl::StatusOr<GatewaySession> SessionFromJson(const nlohmann::json& json);

nlohmann::json ToJson(const GatewayStats& stats);
absl::StatusOr<GatewayStats> StatsFromJson(const nlohmann::json& json);

nlohmann::json ToJson(const EgressEvent& event);
absl::StatusOr<EgressEvent> EventFromJson(const nlohmann::json& json);
nlohmann::json ToJson(const EgressPage& page);
absl::StatusOr<EgressPage> PageFromJson(const nlohmann::json& json);

nlohmann::json ToJson(const GatewayOptions& options);
absl::StatusOr<GatewayOptions> OptionsFromJson(const nlohmann::json& json);

// Parses text; INVALID_ARGUMENT unless it is an object.
absl::StatusOr<nlohmann::json> ParseJsonObject(absl::string_view text);

// Fields of an object, or INVALID_ARGUMENT naming the field.
absl::StatusOr<std::string> StringField(const nlohmann::json& json, const char* name);
absl::StatusOr<int64_t> IntField(const nlohmann::json& json, const char* name);
absl::StatusOr<std::vector<std::string>> StringsField(const nlohmann::json& json, const char* name);

}  // namespace paddock::nodeagent
