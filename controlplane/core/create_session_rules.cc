#include "controlplane/core/create_session_rules.h"

#include <algorithm>
#include <string>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/errors.h"
#include "common/status_macros.h"
#include "common/utf8.h"
#include "controlplane/core/agent_rules.h"
#include "controlplane/core/metadata_patch.h"
#include "controlplane/core/text_rules.h"
#include "controlplane/core/violations.h"

namespace paddock {
namespace {

constexpr size_t kMaxNodeLabels = 16;
// Kubernetes: a prefix of 253, a slash, a name of 63.
constexpr size_t kMaxLabelKeyCharacters = 317;
constexpr size_t kMaxLabelValueCharacters = 256;

int64_t OrDefault(int64_t given, int64_t fallback) { return given == 0 ? fallback : given; }

// Zero stands for the default and is fine.
void CheckLimit(absl::string_view field, int64_t value, int64_t minimum, int64_t maximum,
                Violations* violations) {
  if (value == 0 || (value >= minimum && value <= maximum)) return;
  violations->Add(absl::StrCat("compute.limits.", field),
                  absl::StrCat("must be 0 (the default) or ", minimum, " to ", maximum));
}

void CheckRequest(absl::string_view field, int64_t value, int64_t limit, Violations* violations) {
  if (value == 0 || (value > 0 && value <= limit)) return;
  violations->Add(absl::StrCat("compute.requests.", field),
                  absl::StrCat("must be 0 (the default) or at most the limit, ", limit));
}

void CheckRuntimeClass(const std::string& name, Violations* violations) {
  for (absl::string_view known : {"", "crun", "runc", "runsc"}) {
    if (name == known) return;
  }
  violations->Add("compute.runtime_class", "must be empty, crun, runc or runsc");
}

void CheckNodeLabels(const std::map<std::string, std::string>& labels, Violations* violations) {
  if (labels.size() > kMaxNodeLabels) {
    violations->Add("compute.node_labels", absl::StrCat("must have at most ", kMaxNodeLabels,
                                                        " pairs, has ", labels.size()));
    return;
  }
  for (const auto& [key, value] : labels) {
    const std::string path = absl::StrCat("compute.node_labels[", Quote(key, 64), "]");
    CheckText(path, key, 1, kMaxLabelKeyCharacters, Controls::kRefused, violations);
    CheckText(path, value, 0, kMaxLabelValueCharacters, Controls::kRefused, violations);
  }
}

void CheckCompute(const Compute& given, const Settings& settings, Violations* violations) {
  const ComputeLimits& limits = given.limits;
  CheckLimit("cpu_millis", limits.cpu_millis, kMinCpuMillis, kMaxCpuMillis, violations);
  CheckLimit("memory_bytes", limits.memory_bytes, kMinMemoryBytes, kMaxMemoryBytes, violations);
  CheckLimit("disk_bytes", limits.disk_bytes, kMinDiskBytes, kMaxDiskBytes, violations);
  CheckLimit("pids", limits.pids, kMinPids, kMaxPids, violations);
  const ComputeLimits& effective = EffectiveCompute(given, settings).limits;
  const ComputeRequests& requests = given.requests;
  CheckRequest("cpu_millis", requests.cpu_millis, effective.cpu_millis, violations);
  CheckRequest("memory_bytes", requests.memory_bytes, effective.memory_bytes, violations);
  CheckRequest("disk_bytes", requests.disk_bytes, effective.disk_bytes, violations);
  CheckRuntimeClass(given.runtime_class, violations);
  CheckNodeLabels(given.node_labels, violations);
}

void CheckWait(const std::optional<absl::Duration>& wait, const Settings& settings,
               Violations* violations) {
  if (!wait.has_value() || (*wait >= absl::ZeroDuration() && *wait <= settings.max_wait)) return;
  violations->Add("wait", absl::StrCat("must be 0 to ", absl::FormatDuration(settings.max_wait)));
}

// Whether what the session may reach follows from its agent's MCP servers.
bool PolicyDependsOnServers(const Session& session) {
  const auto* cloud = std::get_if<CloudConfig>(&session.config);
  const auto* limited =
      cloud == nullptr ? nullptr : std::get_if<LimitedNetwork>(&cloud->networking);
  return limited != nullptr && limited->allow_mcp_servers;
}

absl::Status PatchAgent(const SessionPatch& patch, Session* session) {
  if (!patch.tools.has_value() && !patch.mcp_servers.has_value()) return absl::OkStatus();
  if (!session->agent.has_value()) {
    return errors::InvalidField("agent", "can't be changed: the session was created without one");
  }
  AgentOverrides overrides;
  overrides.tools = patch.tools;
  overrides.mcp_servers = patch.mcp_servers;
  PADDOCK_ASSIGN_OR_RETURN(AgentSnapshot changed, ApplyOverrides(*session->agent, overrides));
  if (!(changed.mcp_servers == session->agent->mcp_servers) && PolicyDependsOnServers(*session)) {
    return errors::FieldNotSupported(
        "agent.mcp_servers",
        "can't change in a session whose network allows its MCP servers; make a new session");
  }
  session->agent = std::move(changed);
  return absl::OkStatus();
}

}  // namespace

Compute EffectiveCompute(const Compute& given, const Settings& settings) {
  Compute effective = given;
  ComputeLimits& limits = effective.limits;
  const ComputeLimits& defaults = settings.default_limits;
  limits.cpu_millis = OrDefault(limits.cpu_millis, defaults.cpu_millis);
  limits.memory_bytes = OrDefault(limits.memory_bytes, defaults.memory_bytes);
  limits.disk_bytes = OrDefault(limits.disk_bytes, defaults.disk_bytes);
  limits.pids = OrDefault(limits.pids, defaults.pids);
  ComputeRequests& requests = effective.requests;
  const ComputeRequests& charge = settings.default_requests;
  requests.cpu_millis =
      OrDefault(requests.cpu_millis, std::min(charge.cpu_millis, limits.cpu_millis));
  requests.memory_bytes =
      OrDefault(requests.memory_bytes, std::min(charge.memory_bytes, limits.memory_bytes));
  requests.disk_bytes =
      OrDefault(requests.disk_bytes, std::min(charge.disk_bytes, limits.disk_bytes));
  return effective;
}

absl::Status ValidateCreateSession(const CreateSessionRequest& request, const Settings& settings) {
  Violations violations;
  if (request.environment_id.empty()) violations.Add("environment_id", "is required");
  if (request.agent.has_value()) {
    if (request.agent->id.empty()) violations.Add("agent.id", "is required in agent");
    if (request.agent->version < 0) violations.Add("agent.version", "must be 0 (newest) or more");
  }
  if (request.title.has_value()) CheckTitle(*request.title, &violations);
  CheckMetadata(request.metadata, &violations);
  CheckRequestId(request.idempotency.request_id, &violations);
  CheckCompute(request.compute, settings, &violations);
  CheckWait(request.wait, settings, &violations);
  return violations.ToStatus();
}

absl::StatusOr<Session> ApplySessionPatch(const Session& session, const SessionPatch& patch) {
  Violations violations;
  Session result = session;
  if (patch.title.has_value()) result.title = *patch.title;
  if (result.title.has_value()) CheckTitle(*result.title, &violations);
  Violations of_patch;
  CheckMetadataPatch(patch.metadata, &of_patch);
  PADDOCK_RETURN_IF_ERROR(of_patch.ToStatus());
  result.metadata = ApplyMetadataPatch(patch.metadata, session.metadata);
  CheckMetadata(result.metadata, &violations);
  PADDOCK_RETURN_IF_ERROR(violations.ToStatus());
  PADDOCK_RETURN_IF_ERROR(PatchAgent(patch, &result));
  return result;
}

absl::Status AdmitSession(const Environment& environment) {
  const std::string& id = environment.id.value();
  if (environment.archived_at.has_value()) return errors::EnvironmentArchived(id);
  const auto* cloud = std::get_if<CloudConfig>(&environment.config);
  if (cloud == nullptr) return errors::SelfHostedNotSupported(id);
  if (environment.image.state == ImageState::kFailed) {
    const ImageFailure failure = environment.image.failure.value_or(ImageFailure{});
    return errors::ImageBuildFailed(id, failure.manager, failure.package, failure.exit_code,
                                    failure.message, failure.log_tail);
  }
  return absl::OkStatus();
}

}  // namespace paddock
