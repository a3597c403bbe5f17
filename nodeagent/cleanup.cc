#include "nodeagent/cleanup.h"

#include <string>
#include <vector>

#include "common/clock.h"
#include "common/log.h"
#include "common/status_macros.h"
#include "nodeagent/egress/gateway_process.h"
#include "nodeagent/image/prepare_volumes.h"
#include "nodeagent/runtime/runtime_factory.h"
#include "nodeagent/session/session_record.h"
#include "nodeagent/session/session_types.h"
#include "nodeagent/system/file.h"
#include "nodeagent/system/machine.h"
#include "nodeagent/system/replace_file.h"

namespace paddock::nodeagent {
namespace {

constexpr absl::Duration kKillTimeout = absl::Seconds(10);

// With every process of a session its namespaces, mounts and veth end too.
absl::Status RemoveCgroups(const std::string& subtree) {
  PADDOCK_ASSIGN_OR_RETURN(const std::unique_ptr<CgroupManager> cgroups,
                           MakeCgroupManager(subtree));
  PADDOCK_ASSIGN_OR_RETURN(const std::vector<std::string> names, cgroups->List());
  for (const std::string& name : names) {
    PADDOCK_RETURN_IF_ERROR(cgroups->Kill(name, kKillTimeout));
    PADDOCK_RETURN_IF_ERROR(cgroups->Remove(name));
  }
  return cgroups->RemoveSubtree();
}

// A KEEP session can be started again from its volume, as after a restart of the machine.
absl::Status MarkSessions(const Paths& paths) {
  if (!PathExists(paths.SessionsDir())) return absl::OkStatus();
  PADDOCK_ASSIGN_OR_RETURN(const std::vector<std::string> ids, ListDirectory(paths.SessionsDir()));
  for (const std::string& id : ids) {
    const absl::StatusOr<std::string> json = ReadFile(paths.SessionFile(id));
    if (!json.ok()) continue;
    absl::StatusOr<SessionRecord> record = DecodeSessionRecord(*json);
    if (!record.ok() || record->status.phase == SessionPhase::kTerminated) continue;
    record->status.phase = SessionPhase::kTerminated;
    record->status.reason = std::string(kReasonNodeRebooted);
    record->status.message = "the node was taken down";
    record->status.ended_at = Clock::Real()->Now();
    record->pair.reset();
    record->container.reset();
    record->background_execs.clear();
    PADDOCK_RETURN_IF_ERROR(ReplaceFile(paths.SessionFile(id), EncodeSessionRecord(*record)));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CleanUpNode(const AgentFlags& flags) {
  PADDOCK_RETURN_IF_ERROR(MakeDirectories(flags.paths.state(), 0711));
  PADDOCK_ASSIGN_OR_RETURN(const UniqueFd lock, LockFile(flags.paths.state() + "/agent.lock"));
  absl::Status first;
  const auto run = [&first](const char* what, const absl::Status& status) {
    if (status.ok()) return;
    LogError("can't clean up", {{"what", what}, {"error", status.ToString()}});
    if (first.ok()) first = status;
  };
  run("sessions", RemoveCgroups(flags.cgroup));
  run("records", MarkSessions(flags.paths));
  run("gateway", CleanUpGateway(flags.Gateway()));
  if (!flags.volumes_file.empty() || !flags.volumes_device.empty()) {
    run("volumes", ReleaseVolumes(flags.paths.volumes()));
  }
  return first;
}

}  // namespace paddock::nodeagent
