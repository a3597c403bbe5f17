// How values are stored as JSON text. What was written by an older version reads with defaults for
// what it lacks; text that isn't JSON reads as if it were empty. Pure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "controlplane/core/resources.h"
#include "nlohmann/json.hpp"

namespace paddock {

using StringMap = std::map<std::string, std::string>;

nlohmann::json ParseJson(absl::string_view text);
// Never throws: bytes that aren't UTF-8 become U+FFFD.
std::string DumpJson(const nlohmann::json& json);

std::string EncodeStrings(const std::vector<std::string>& values);
std::vector<std::string> DecodeStrings(absl::string_view text);
std::string EncodeMap(const StringMap& map);
StringMap DecodeMap(absl::string_view text);

std::string EncodeConfig(const EnvironmentConfig& config);
EnvironmentConfig DecodeConfig(absl::string_view text);
std::string EncodeImage(const EnvironmentImage& image);
EnvironmentImage DecodeImage(absl::string_view text);

// Whole, but for the tenant.
std::string EncodeAgent(const Agent& agent);
Agent DecodeAgent(absl::string_view text);

// Whole, but for the tenant.
std::string EncodeEnvironment(const Environment& environment);
Environment DecodeEnvironment(absl::string_view text);

// What never changes in a session: agent snapshot, configuration, compute, image.
std::string EncodeSessionDocument(const Session& session);
void DecodeSessionDocument(absl::string_view text, Session* session);

// A spec without session, generation, tenant and keep_volume, which are columns.
std::string EncodeSpec(const SessionSpec& spec);
void DecodeSpec(absl::string_view text, SessionSpec* spec);

}  // namespace paddock
