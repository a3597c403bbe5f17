#include "nodeagent/session/runtime_prover.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/status_macros.h"
#include "nodeagent/init/files.h"
#include "nodeagent/init/init_connection.h"
#include "nodeagent/system/file.h"
#include "nodeagent/system/pipe_io.h"

namespace paddock::nodeagent {
namespace {

constexpr char kExecId[] = "proof";
constexpr size_t kMaxOutput = 65'536;

}  // namespace

RuntimeProver::RuntimeProver(const NodeResources* resources, std::string boot_id,
                             absl::Duration timeout)
    : resources_(resources),
      boot_id_(std::move(boot_id)),
      timeout_(timeout),
      clients_(resources),
      steps_(MakeStartSteps(resources, timeout, timeout)) {
  steps_.erase(std::remove_if(steps_.begin(), steps_.end(),
                              [](const auto& step) { return step->name() == "network"; }),
               steps_.end());
}

SessionRecord RuntimeProver::Describe(const std::string& runtime_class) const {
  SessionRecord record;
  // No session's id; the same at every start, so that leftovers are found.
  record.spec.session_id = absl::StrCat("proof-", runtime_class);
  record.spec.generation = 1;
  record.spec.runtime_class = runtime_class;
  record.spec.limits.cpu_millis = 1000;
  record.spec.limits.memory_bytes = int64_t{256} << 20;
  record.spec.limits.pids = 256;
  record.spec.limits.disk_bytes = int64_t{64} << 20;
  record.boot_id = boot_id_;
  return record;
}

void RuntimeProver::Sweep() {
  for (const auto& [name, runtime] : resources_->runtimes) {
    if (name.empty()) continue;
    if (absl::Status undone = Undo(Describe(name)); !undone.ok()) {
      LogWarning("an earlier proof of a runtime can't be removed",
                 {{"runtime_class", name}, {"error", undone.ToString()}});
    }
  }
}

absl::Status RuntimeProver::Prove(const std::string& runtime_class) {
  StartContext context;
  context.record = Describe(runtime_class);
  const std::string dir = resources_->paths->SessionDir(context.record.spec.session_id);
  PADDOCK_RETURN_IF_ERROR(MakeDirectories(dir, 0711));
  context.container = DescribeContainer(*resources_->paths, context.record);
  absl::Status status;
  for (const std::unique_ptr<StartStep>& step : steps_) {
    status = step->Do(context);
    if (!status.ok()) break;
  }
  if (status.ok()) status = RunCommand(context.record);
  const absl::Status undone = Undo(context.record);
  status.Update(undone);
  return status;
}

absl::Status RuntimeProver::RunCommand(const SessionRecord& record) {
  // Needs nothing of the image, and its output comes through a pipe.
  PADDOCK_ASSIGN_OR_RETURN(const ExecSpec spec, ListDirectoryCommand("/"));
  PADDOCK_ASSIGN_OR_RETURN(const int procs,
                           resources_->cgroups->CreateExec(record.spec.session_id, kExecId));
  const UniqueFd procs_fd(procs);
  const std::unique_ptr<InitClient> client = clients_.Make(record, kExecId);
  ExecStreams streams;
  PADDOCK_ASSIGN_OR_RETURN(const std::unique_ptr<ExecHandle> handle,
                           client->Exec(spec, procs_fd.get(), &streams, timeout_));
  PADDOCK_RETURN_IF_ERROR(WaitReadable(handle->exit_fd(), timeout_));
  PADDOCK_ASSIGN_OR_RETURN(const ExecExit exit, handle->TakeExit());
  if (exit.code != 0 || exit.signal != 0) {
    return absl::InternalError(
        absl::StrCat("a command inside ended with code ", exit.code, ", signal ", exit.signal));
  }
  std::string output;
  if (ReadSome(streams.stdout_read.get(), kMaxOutput, &output) != IoResult::kDone) {
    return absl::InternalError("a command's output doesn't come out of the sandbox");
  }
  return absl::OkStatus();
}

absl::Status RuntimeProver::Undo(const SessionRecord& record) {
  absl::Status status;
  for (auto step = steps_.rbegin(); step != steps_.rend(); ++step) {
    status.Update((*step)->Undo(record, /*keep_volume=*/false));
  }
  clients_.OnSessionGone(record.spec.session_id);
  status.Update(RemoveTree(resources_->paths->SessionDir(record.spec.session_id)));
  for (auto step = steps_.rbegin(); step != steps_.rend() && status.ok(); ++step) {
    status.Update((*step)->GiveBack(record));
  }
  return status;
}

}  // namespace paddock::nodeagent
