// Bodies of requests, as clients send them: from bytes to what core is asked. The first byte says
// which request it is.
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "controlplane/core/agent_rules.h"
#include "controlplane/rest/agent_json.h"
#include "controlplane/rest/environment_json.h"
#include "controlplane/rest/json_body.h"
#include "controlplane/rest/query.h"
#include "controlplane/rest/rest_error.h"
#include "controlplane/rest/session_json.h"

namespace paddock {
namespace {

// Whatever is refused must be shown, whatever is taken must be answered.
void Show(const absl::Status& status) {
  if (!status.ok()) ErrorAnswer(status, "req_1");
}

void Environments(const nlohmann::json& body) {
  const auto created = NewEnvironmentPatch(body);
  Show(created.status());
  if (created.ok()) {
    const auto environment = NewEnvironment(*created);
    Show(environment.status());
    if (environment.ok()) ToJson(*environment).dump();
  }
  const auto updated = UpdateEnvironmentPatch(body);
  Show(updated.status());
  if (updated.ok()) Show(ApplyEnvironmentPatch(*updated, Environment()).status());
}

void Agents(const nlohmann::json& body) {
  const auto created = NewAgentPatch(body);
  Show(created.status());
  if (created.ok()) {
    const auto agent = NewAgent(*created);
    Show(agent.status());
    if (agent.ok()) ToJson(*agent).dump();
  }
  const auto updated = UpdateAgentPatch(body);
  Show(updated.status());
  if (updated.ok()) Show(ApplyAgentPatch(updated->patch, Agent()).status());
}

void Sessions(const nlohmann::json& body) {
  const auto created = NewSessionRequest(body);
  Show(created.status());
  if (created.ok() && created->agent.has_value()) {
    Show(ApplyOverrides(Agent(), created->agent->overrides).status());
  }
  Show(UpdateSessionPatch(body).status());
}

}  // namespace
}  // namespace paddock

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace paddock;  // NOLINT(google-build-using-namespace)
  if (size == 0) return 0;
  const absl::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] == 'q') {
    const auto target = Target::Parse(text);
    Show(target.ok() ? ReadSessionList(*target).status() : target.status());
    return 0;
  }
  const auto body = ParseJsonBody(text);
  Show(body.status());
  if (!body.ok()) return 0;
  if (data[0] == 'e') Environments(*body);
  if (data[0] == 'a') Agents(*body);
  if (data[0] == 's') Sessions(*body);
  return 0;
}
