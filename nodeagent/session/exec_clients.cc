#include "nodeagent/session/exec_clients.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/log.h"
#include "nodeagent/init/helper_client.h"
#include "nodeagent/init/protocol.h"
#include "nodeagent/init/socket_client.h"

namespace paddock::nodeagent {
namespace {

constexpr absl::Duration kKillTimeout = absl::Seconds(5);

std::unique_ptr<InitClient> MakeHelpers(ContainerRuntime* runtime, ContainerSpec spec) {
  HelperOptions options;
  const bool inside = runtime->takes_socket();
  options.passes_stdio = !inside;
  options.start = [runtime, inside, spec = std::move(spec)](const HelperDescriptors& descriptors,
                                                            absl::Duration timeout) {
    HelperProcess helper;
    helper.argument = inside ? init_protocol::kHelper : init_protocol::kHelperKills;
    helper.connection = descriptors.connection;
    helper.stdin_fd = descriptors.stdin_read;
    helper.stdout_fd = descriptors.stdout_write;
    helper.stderr_fd = descriptors.stderr_write;
    return runtime->ExecHelper(spec, helper, timeout);
  };
  return MakeHelperClient(std::move(options));
}

}  // namespace

std::unique_ptr<InitClient> ExecClients::Make(const SessionRecord& record,
                                              const std::string& exec_id) {
  const std::string& id = record.spec.session_id;
  ContainerRuntime* const runtime = resources_->RuntimeOf(record);
  if (runtime == nullptr) return MakeInitClient(resources_->paths->InitSocket(id));
  std::unique_ptr<InitClient> helpers =
      MakeHelpers(runtime, DescribeContainer(*resources_->paths, record));
  if (!runtime->takes_socket()) return helpers;
  FallbackOptions options;
  options.patience = patience_;
  options.fallback = std::move(helpers);
  options.kill_command = [cgroups = resources_->cgroups,
                          cgroup = absl::StrCat(id, "/exec-", exec_id)] {
    return cgroups->Kill(cgroup, kKillTimeout);
  };
  options.on_silence = [id, generation = record.spec.generation,
                        name = runtime->name()](const absl::Status& status) {
    LogWarning("PID 1 doesn't answer; commands are started by the OCI runtime",
               {{"session_id", id},
                {"generation", generation},
                {"runtime", name},
                {"error", status.ToString()}});
  };
  return MakeFallbackClient(HealthOf(record), std::move(options));
}

std::shared_ptr<InitHealth> ExecClients::HealthOf(const SessionRecord& record) {
  absl::MutexLock lock(&mutex_);
  Known& known = sessions_[record.spec.session_id];
  if (known.health == nullptr || known.generation != record.spec.generation) {
    known.generation = record.spec.generation;
    known.health =
        std::make_shared<InitHealth>(resources_->paths->InitSocket(record.spec.session_id));
  }
  return known.health;
}

void ExecClients::OnSessionGone(const std::string& session_id) {
  absl::MutexLock lock(&mutex_);
  sessions_.erase(session_id);
}

}  // namespace paddock::nodeagent
