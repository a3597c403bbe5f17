#include "nodeagent/build/build_sandbox.h"

#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/errors.h"
#include "common/ids.h"
#include "common/log.h"
#include "common/status_macros.h"
#include "nodeagent/build/output_collector.h"
#include "nodeagent/session/egress_reader.h"
#include "nodeagent/session/exec_process.h"
#include "nodeagent/system/file.h"
#include "nodeagent/system/unique_fd.h"

namespace paddock::nodeagent {
namespace {

constexpr absl::Duration kStartTimeout = absl::Seconds(30);
constexpr absl::Duration kKillTimeout = absl::Seconds(20);
constexpr absl::Duration kExecTimeout = absl::Seconds(10);
constexpr int kCloseAttempts = 3;
// Of the volume's bound, what a build that needed more leaves at most.
constexpr double kFullShare = 0.97;

bool IsAmong(absl::string_view name, const std::vector<std::string>& hosts) {
  for (absl::string_view host : hosts) {
    if (name == host) return true;
    // "*.example.com" means any depth below, and not the apex.
    if (absl::ConsumePrefix(&host, "*") && absl::EndsWith(name, host) &&
        name.size() > host.size()) {
      return true;
    }
  }
  return false;
}

}  // namespace

BuildSandbox::BuildSandbox(const BuildResources* resources, std::string id)
    : resources_(resources),
      id_(std::move(id)),
      steps_(MakeStartSteps(resources->node, kStartTimeout, kKillTimeout)) {}

BuildSandbox::~BuildSandbox() {
  if (!open_) return;
  if (absl::Status status = Close(/*keep_volume=*/false); !status.ok()) {
    LogError("a build's sandbox can't be removed; the next start of the agent will",
             {{"sandbox", id_}, {"error", status.ToString()}});
  }
}

absl::Status BuildSandbox::Open(const SessionSpec& spec, std::string* failed_step) {
  open_ = true;
  SessionRecord& record = context_.record;
  record.spec = spec;
  record.spec.session_id = id_;
  record.spec.generation = 1;
  context_.container = DescribeContainer(*resources_->node->paths, record);
  // What a crash of the machine leaves of a build is thrown away.
  context_.container.volatile_upper = true;
  PADDOCK_RETURN_IF_ERROR(MakeDirectories(resources_->node->paths->SessionDir(id_), 0711));
  for (const std::unique_ptr<StartStep>& step : steps_) {
    const absl::Status status = step->Do(context_);
    if (status.ok()) continue;
    *failed_step = std::string(step->name());
    return absl::Status(status.code(), absl::StrCat(step->name(), ": ", status.message()));
  }
  return absl::OkStatus();
}

absl::StatusOr<ExecExit> BuildSandbox::Run(const ExecSpec& spec, absl::Duration deadline,
                                           BuildControl* control, const OutputHandler& on_output) {
  CgroupManager* const cgroups = resources_->node->cgroups;
  const std::string exec_id = NewId("", resources_->clock->Now());
  PADDOCK_ASSIGN_OR_RETURN(const int procs, cgroups->CreateExec(id_, exec_id));
  const UniqueFd procs_fd(procs);
  const std::string cgroup = absl::StrCat(id_, "/exec-", exec_id);
  const auto end_tree = absl::MakeCleanup([cgroups, cgroup] {
    if (absl::Status killed = cgroups->Kill(cgroup, kKillTimeout); !killed.ok()) {
      LogWarning("can't end what a build's command left",
                 {{"cgroup", cgroup}, {"error", killed.ToString()}});
    }
    cgroups->Remove(cgroup).IgnoreError();  // Else it goes with the sandbox's.
  });
  const auto collector = std::make_shared<OutputCollector>();
  const auto process = std::make_shared<ExecProcess>(
      resources_->loop, exec_id, collector,
      [](ExecProcess::End, const std::function<void()>& then) { then(); });
  control->SetProcess(process);
  const auto release = absl::MakeCleanup([control] { control->SetProcess(nullptr); });
  ExecStreams streams;
  PADDOCK_ASSIGN_OR_RETURN(
      std::unique_ptr<ExecHandle> handle,
      resources_->init_factory(id_)->Exec(spec, procs_fd.get(), &streams, kExecTimeout));
  if (!process->Attach(std::move(handle), std::move(streams))) return errors::Cancelled();
  process->CloseStdin();
  while (true) {
    const absl::Duration left = deadline - resources_->clock->Monotonic();
    if (left <= absl::ZeroDuration()) process->Cancel(errors::DeadlineExceeded("the command"));
    // What was cancelled is heard of soon.
    OutputCollector::Event event =
        collector->Next(left > absl::ZeroDuration() ? left : kKillTimeout);
    if (event.end.has_value()) return *std::move(event.end);
    if (!event.output.has_value()) continue;
    on_output(event.stream, *event.output);
    process->ReadyForOutput();
  }
}

absl::StatusOr<CgroupUsage> BuildSandbox::Usage() const {
  return resources_->node->cgroups->Usage(id_);
}

absl::StatusOr<BuildSandbox::Egress> BuildSandbox::ReadEgress() const {
  Egress egress;
  const SessionRecord& record = context_.record;
  if (record.spec.network.policy.kind != NetworkPolicy::Kind::kLimited) return egress;
  PADDOCK_ASSIGN_OR_RETURN(const std::vector<EgressEvent> events,
                           ReadAllEgress(resources_->node->gateway, id_));
  for (const EgressEvent& event : events) {
    const std::string& name = event.name.empty() ? event.address : event.name;
    if (!event.allowed) {
      if (!name.empty()) egress.denied.insert(name);
      continue;
    }
    // Neither a look-up nor a host that didn't answer has been reached.
    const bool reached = !event.name.empty() && !event.address.empty();
    if (reached && !IsAmong(event.name, record.registry_hosts)) {
      egress.other_hosts.insert(event.name);
    }
  }
  return egress;
}

bool BuildSandbox::DiskIsFull() const {
  // The numbers are those of the last commit.
  SyncFileSystem(volume_dir()).IgnoreError();
  const absl::StatusOr<VolumeStore::Usage> usage = resources_->node->volumes->GetUsage(id_);
  return usage.ok() && usage->limit_bytes > 0 &&
         static_cast<double>(usage->used_bytes) >=
             kFullShare * static_cast<double>(usage->limit_bytes);
}

absl::Status BuildSandbox::CloseKeepingVolume() { return Close(/*keep_volume=*/true); }

absl::Status BuildSandbox::Close(bool keep_volume) {
  absl::Status status;
  for (int attempt = 0; attempt < kCloseAttempts; ++attempt) {
    status = UndoSteps(keep_volume);
    if (status.ok()) break;
  }
  // A volume that isn't at rest can't be kept; the destructor tries the rest again.
  if (status.ok()) open_ = false;
  return status;
}

absl::Status BuildSandbox::UndoSteps(bool keep_volume) {
  const SessionRecord& record = context_.record;
  for (auto step = steps_.rbegin(); step != steps_.rend(); ++step) {
    PADDOCK_RETURN_IF_ERROR((*step)->Undo(record, keep_volume));
  }
  PADDOCK_RETURN_IF_ERROR(RemoveTree(resources_->node->paths->SessionDir(id_)));
  for (const auto& step : steps_) PADDOCK_RETURN_IF_ERROR(step->GiveBack(record));
  context_.record.pair.reset();
  context_.pair = NamespacePair();
  return absl::OkStatus();
}

absl::Status SweepBuilds(const NodeResources& resources) {
  int swept = 0;
  PADDOCK_ASSIGN_OR_RETURN(const std::vector<std::string> cgroups, resources.cgroups->List());
  for (const std::string& name : cgroups) {
    if (!absl::StartsWith(name, kBuildPrefix)) continue;
    ++swept;
    PADDOCK_RETURN_IF_ERROR(resources.cgroups->Kill(name, kKillTimeout));
    PADDOCK_RETURN_IF_ERROR(resources.cgroups->Remove(name));
  }
  PADDOCK_RETURN_IF_ERROR(MakeDirectories(resources.paths->SessionsDir(), 0711));
  PADDOCK_ASSIGN_OR_RETURN(const std::vector<std::string> directories,
                           ListDirectory(resources.paths->SessionsDir()));
  for (const std::string& name : directories) {
    if (!absl::StartsWith(name, kBuildPrefix)) continue;
    PADDOCK_RETURN_IF_ERROR(resources.gateway->RemoveSession(name));
    PADDOCK_RETURN_IF_ERROR(RemoveTree(resources.paths->SessionDir(name)));
  }
  PADDOCK_ASSIGN_OR_RETURN(const std::vector<std::string> volumes, resources.volumes->List());
  for (const std::string& name : volumes) {
    if (!absl::StartsWith(name, kBuildPrefix)) continue;
    PADDOCK_RETURN_IF_ERROR(resources.volumes->Destroy(name));
  }
  if (swept > 0) LogInfo("builds of the earlier agent were removed", {{"builds", swept}});
  return absl::OkStatus();
}

}  // namespace paddock::nodeagent
