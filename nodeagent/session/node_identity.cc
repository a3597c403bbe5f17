#include "nodeagent/session/node_identity.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/ids.h"
#include "common/status_macros.h"
#include "nodeagent/system/file.h"

namespace paddock::nodeagent {

using Json = nlohmann::json;

absl::StatusOr<NodeIdentity> NodeIdentity::LoadOrCreate(const std::string& path, absl::Time now,
                                                        const std::string& given_id) {
  if (!given_id.empty() && !IsWellFormedId(kNodePrefix, given_id)) {
    return absl::InvalidArgumentError(absl::StrCat("\"", given_id, "\" is no id of a node"));
  }
  if (!PathExists(path)) {
    NodeIdentity identity(path, given_id.empty() ? NewId(kNodePrefix, now) : given_id, 0);
    PADDOCK_RETURN_IF_ERROR(identity.Save());
    return identity;
  }
  PADDOCK_ASSIGN_OR_RETURN(const std::string content, ReadFile(path));
  const Json json = Json::parse(content, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("node_id") || !json["node_id"].is_string() ||
      !json.contains("epoch_millis") || !json["epoch_millis"].is_number_integer() ||
      !IsWellFormedId(kNodePrefix, json["node_id"].get<std::string>())) {
    // A new id would orphan everything that the control plane knows of this node.
    return absl::DataLossError(absl::StrCat(path, " is damaged"));
  }
  NodeIdentity identity(path, json["node_id"].get<std::string>(),
                        json["epoch_millis"].get<int64_t>());
  if (!given_id.empty() && identity.node_id() != given_id) {
    return absl::FailedPreconditionError(absl::StrCat(path, " belongs to ", identity.node_id(),
                                                      ", not to ", given_id, "; clean up first"));
  }
  return identity;
}

absl::StatusOr<std::string> NodeIdentity::NextEpoch(absl::Time now) {
  epoch_millis_ = std::max(absl::ToUnixMillis(now), epoch_millis_ + 1);
  PADDOCK_RETURN_IF_ERROR(Save());
  return NewId("", absl::FromUnixMillis(epoch_millis_));
}

absl::Status NodeIdentity::Save() const {
  const Json json = {{"node_id", node_id_}, {"epoch_millis", epoch_millis_}};
  return WriteFileAtomically(path_, absl::StrCat(json.dump(), "\n"));
}

}  // namespace paddock::nodeagent
