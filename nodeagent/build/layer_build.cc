#include "nodeagent/build/layer_build.h"

#include <algorithm>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "common/errors.h"
#include "common/log.h"
#include "common/status_macros.h"
#include "nodeagent/image/package_failure.h"
#include "nodeagent/image/registry_hosts.h"

namespace paddock::nodeagent {
namespace {

// For finding out more about a failure.
constexpr absl::Duration kProbeTimeout = absl::Seconds(60);
// For asking about each package of a failed install that names none.
constexpr absl::Duration kSuspectsTimeout = absl::Seconds(120);
constexpr size_t kMaxSuspects = 16;
// That program waits for six managers, 20 s each.
constexpr absl::Duration kRegistriesTimeout = absl::Seconds(150);
constexpr int kNotFoundExit = 127;
constexpr size_t kMaxAnswer = 65'536;
// Of base images that deploy/base-image made.
constexpr int kCommandNotFound = 127;
constexpr char kRegistriesProgram[] = "/usr/share/paddock/registries";

// The bundle that the image's own programs are pointed to.
std::string CaFile(const std::vector<std::string>& environment) {
  for (absl::string_view entry : environment) {
    if (absl::ConsumePrefix(&entry, "SSL_CERT_FILE=")) return std::string(entry);
  }
  return "";
}

std::string Describe(const ExecExit& exit) {
  return exit.signal != 0 ? absl::StrCat("was killed by signal ", exit.signal)
                          : absl::StrCat("ended with code ", exit.code);
}

}  // namespace

LayerBuild::LayerBuild(const BuildResources* resources, const BuildSpec& spec,
                       std::string sandbox_id, BuildControl* control, BuildObserver* observer)
    : resources_(resources),
      spec_(spec),
      sandbox_id_(std::move(sandbox_id)),
      control_(control),
      observer_(observer),
      begun_(resources->clock->Monotonic()),
      deadline_(begun_ + spec.timeout) {}

absl::StatusOr<LayerBuild::Outcome> LayerBuild::Run() {
  if (control_->cancelled()) return errors::Cancelled();
  LayerStore* const layers = resources_->node->layers;
  absl::StatusOr<Layer> built = layers->FindByKey(spec_.cache_key);
  if (built.ok()) return Outcome(*std::move(built));
  if (!absl::IsNotFound(built.status())) return built.status();
  const absl::StatusOr<std::vector<Layer>> chain = layers->Chain(spec_.image());
  if (absl::IsNotFound(chain.status())) {
    return Outcome(Failure(kBuildParentMissing, std::string(chain.status().message())));
  }
  PADDOCK_RETURN_IF_ERROR(chain.status());
  PADDOCK_ASSIGN_OR_RETURN(const PackagePlan plan,
                           PlanPackages({spec_.manager, spec_.toolchain, spec_.specs,
                                         CaFile(MergedEnvironment(*chain))}));
  SessionSpec session;
  session.image_digest = spec_.image();
  session.limits = spec_.limits;
  session.network = spec_.network;
  // It installs what this program names and nothing of the user's, for every environment; the
  // registries of what it installs aren't known before.
  if (spec_.toolchain) session.network.policy.kind = NetworkPolicy::Kind::kUnrestricted;
  BuildSandbox sandbox(resources_, sandbox_id_);
  std::string failed_step;
  PADDOCK_RETURN_IF_ERROR(sandbox.Open(session, &failed_step));
  return RunIn(&sandbox, plan);
}

absl::StatusOr<LayerBuild::Outcome> LayerBuild::RunIn(BuildSandbox* sandbox,
                                                      const PackagePlan& plan) {
  for (const PackageCommand& command : plan.commands) {
    if (control_->cancelled()) return errors::Cancelled();
    const absl::StatusOr<ExecExit> exit = RunCommand(sandbox, command);
    if (absl::IsDeadlineExceeded(exit.status())) {
      // What ran out of something may wait for ever for what it couldn't have.
      if (!ExhaustedBound(sandbox).empty()) return Outcome(Explain(sandbox, command, ExecExit{}));
      BuildFailure failure =
          Failure(kBuildTimedOut,
                  absl::StrCat("it took longer than ", absl::FormatDuration(spec_.timeout)));
      failure.package = command.package;
      return Outcome(std::move(failure));
    }
    if (!exit.ok()) {
      // A sandbox that ran out of something may take its PID 1 with it.
      const absl::string_view bound = ExhaustedBound(sandbox);
      if (control_->cancelled() || bound.empty()) return exit.status();
      return Outcome(Explain(sandbox, command, ExecExit{}));
    }
    if (exit->code != 0 || exit->signal != 0) return Outcome(Explain(sandbox, command, *exit));
  }
  std::vector<std::string> registry_hosts;
  if (spec_.toolchain) {
    absl::StatusOr<std::vector<std::string>> asked = AskRegistries(sandbox);
    // A layer of which that isn't known would be kept, and be of no use under limited networking.
    if (!asked.ok())
      return Outcome(Failure(kBuildInstallFailed, std::string(asked.status().message())));
    registry_hosts = *std::move(asked);
  }
  return Commit(sandbox, plan, std::move(registry_hosts));
}

absl::StatusOr<LayerBuild::Outcome> LayerBuild::Commit(BuildSandbox* sandbox,
                                                       const PackagePlan& plan,
                                                       std::vector<std::string> registry_hosts) {
  PADDOCK_ASSIGN_OR_RETURN(const BuildSandbox::Egress egress, sandbox->ReadEgress());
  PADDOCK_RETURN_IF_ERROR(sandbox->CloseKeepingVolume());
  // Nothing when it has become the layer.
  const auto remove = absl::MakeCleanup([this] {
    if (absl::Status status = resources_->node->volumes->Destroy(sandbox_id_); !status.ok()) {
      LogError("a build's volume can't be removed; the next start of the agent will",
               {{"sandbox", sandbox_id_}, {"error", status.ToString()}});
    }
  });
  LayerDraft draft;
  draft.volume_dir = sandbox->volume_dir();
  draft.layer.environment = plan.environment;
  draft.layer.parent = spec_.image();
  draft.layer.registry_hosts = std::move(registry_hosts);
  draft.layer.manager = spec_.manager;
  draft.layer.cache_key = spec_.cache_key;
  draft.layer.other_hosts.assign(egress.other_hosts.begin(), egress.other_hosts.end());
  draft.layer.build_duration = resources_->clock->Monotonic() - begun_;
  draft.specs = spec_.specs;
  draft.cancelled = [this] { return control_->cancelled() || Left() <= absl::ZeroDuration(); };
  absl::StatusOr<Layer> layer = resources_->node->layers->Commit(draft);
  if (absl::IsCancelled(layer.status()) && !control_->cancelled()) {
    return Outcome(Failure(kBuildTimedOut, "its files couldn't be written down in time"));
  }
  if (absl::IsResourceExhausted(layer.status())) {
    return Outcome(Failure(kBuildDiskFull, std::string(layer.status().message())));
  }
  PADDOCK_RETURN_IF_ERROR(layer.status());
  return Outcome(*std::move(layer));
}

absl::StatusOr<ExecExit> LayerBuild::RunCommand(BuildSandbox* sandbox,
                                                const PackageCommand& command) {
  ExecSpec exec;
  exec.command = command.argv;
  exec.env = command.env;
  exec.env["HOME"] = "/root";
  exec.cwd = "/";
  Say(log_.Add(BuildLog::Stream::kStdout,
               absl::StrCat("$ ", absl::StrJoin(command.argv, " "), "\n")));
  absl::StatusOr<ExecExit> exit =
      sandbox->Run(exec, deadline_, control_, [this](OutputStream stream, const std::string& data) {
        Say(log_.Add(
            stream == OutputStream::kStdout ? BuildLog::Stream::kStdout : BuildLog::Stream::kStderr,
            data));
      });
  Say(log_.Flush());
  return exit;
}

absl::StatusOr<std::string> LayerBuild::Ask(BuildSandbox* sandbox, std::vector<std::string> argv,
                                            absl::Duration timeout) {
  ExecSpec exec;
  exec.command = std::move(argv);
  exec.env["HOME"] = "/root";
  exec.cwd = "/";
  std::string output;
  timeout = std::min(std::max(Left(), absl::ZeroDuration()), timeout);
  PADDOCK_ASSIGN_OR_RETURN(
      const ExecExit exit,
      sandbox->Run(exec, resources_->clock->Monotonic() + timeout, control_,
                   [&output](OutputStream stream, const std::string& data) {
                     if (stream == OutputStream::kStdout && output.size() < kMaxAnswer) {
                       output += data;
                     }
                   }));
  if (exit.code == kCommandNotFound) return absl::NotFoundError(exec.command[0]);
  if (exit.code == 0 && exit.signal == 0) return output;
  return absl::UnavailableError(absl::StrCat(exec.command[0], " failed"));
}

absl::StatusOr<std::vector<std::string>> LayerBuild::AskRegistries(BuildSandbox* sandbox) {
  const absl::StatusOr<std::string> answer = Ask(sandbox, {kRegistriesProgram}, kRegistriesTimeout);
  // Not an image of ours: its operator names the registries.
  if (absl::IsNotFound(answer.status())) return std::vector<std::string>();
  std::vector<std::string> hosts = ParseRegistries(answer.value_or(""));
  if (!hosts.empty()) return hosts;
  return absl::UnavailableError(
      absl::StrCat(spec_.manager,
                   " was installed, but which registries it uses couldn't "
                   "be found out; try again"));
}

void LayerBuild::Say(std::vector<std::string> lines) {
  for (std::string& line : lines) {
    if (!observer_->OnLogLine(std::move(line), std::max(Left(), absl::ZeroDuration()))) return;
  }
}

BuildFailure LayerBuild::Failure(absl::string_view reason, std::string message) const {
  BuildFailure failure;
  failure.reason = std::string(reason);
  failure.message = std::move(message);
  failure.log_tail = log_.Tail();
  return failure;
}

absl::string_view LayerBuild::ExhaustedBound(BuildSandbox* sandbox) const {
  const absl::StatusOr<CgroupUsage> usage = sandbox->Usage();
  if (usage.ok() && usage->oom_kills > 0) return kBuildOomKilled;
  if (usage.ok() && usage->pids_refused > 0) return kBuildPidsExhausted;
  if (BlamesDisk(log_.Tail()) || sandbox->DiskIsFull()) return kBuildDiskFull;
  return "";
}

BuildFailure LayerBuild::Explain(BuildSandbox* sandbox, const PackageCommand& command,
                                 const ExecExit& exit) {
  const absl::string_view bound = ExhaustedBound(sandbox);
  const std::string& program = command.argv[0];
  BuildFailure failure;
  if (bound == kBuildOomKilled) {
    failure = Failure(bound, absl::StrCat("the build used more than its ",
                                          spec_.limits.memory_bytes, " bytes of memory"));
  } else if (bound == kBuildPidsExhausted) {
    failure = Failure(
        bound, absl::StrCat("the build had more than its ", spec_.limits.pids, " processes"));
  } else if (bound == kBuildDiskFull) {
    failure = Failure(
        bound, absl::StrCat("the build wrote more than its ", spec_.limits.disk_bytes, " bytes"));
  } else if (exit.code == kNotFoundExit && program[0] != '/') {
    failure = Failure(kBuildManagerMissing, absl::StrCat("the image has no ", program));
  } else {
    failure = Failure(kBuildInstallFailed, absl::StrCat(program, " ", Describe(exit)));
  }
  failure.exit_code = exit.code;
  failure.package = !command.package.empty()
                        ? command.package
                        : FailedPackage(spec_.manager, spec_.specs, failure.log_tail);
  const auto egress = sandbox->ReadEgress();
  if (failure.reason == kBuildInstallFailed && egress.ok() && !egress->denied.empty()) {
    failure.reason = std::string(kBuildEgressDenied);
    failure.message = absl::StrCat("the environment's network policy refused the build ",
                                   absl::StrJoin(egress->denied, ", "));
  }
  if (failure.reason == kBuildInstallFailed) {
    if (BlameInterpreter(sandbox, &failure)) {
      // It says all.
    } else if (BlamesRegistry(failure.log_tail)) {
      absl::StrAppend(&failure.message, ", and a registry didn't answer");
    }
  }
  return failure;
}

bool LayerBuild::BlameInterpreter(BuildSandbox* sandbox, BuildFailure* failure) {
  // A manager that names nobody may have failed for any of them.
  std::vector<std::string> suspects = {failure->package};
  if (failure->package.empty()) suspects = spec_.specs;
  if (suspects.size() > kMaxSuspects) suspects.resize(kMaxSuspects);
  const absl::Duration deadline = resources_->clock->Monotonic() + kSuspectsTimeout;
  for (const std::string& suspect : suspects) {
    const Fit fit = FitOf(sandbox, suspect, deadline);
    if (fit == Fit::kYes) continue;
    const std::string version = Ask(sandbox, {"python3", "--version"}, kProbeTimeout).value_or("");
    if (version.empty()) return false;
    const std::string python(absl::StripAsciiWhitespace(version.substr(0, 64)));
    failure->package = suspect;
    failure->message = fit == Fit::kNo
                           ? absl::StrCat(suspect, " can't be used with the image's ", python)
                           : absl::StrCat(suspect, " has no ready-made build for the image's ",
                                          python, ", and building it from source failed");
    return true;
  }
  return false;
}

LayerBuild::Fit LayerBuild::FitOf(BuildSandbox* sandbox, const std::string& package,
                                  absl::Duration deadline) {
  const std::vector<std::string> question = FitsInterpreterCommand(spec_.manager, package);
  if (question.empty() || control_->cancelled()) return Fit::kYes;
  if (BlamesInterpreter(spec_.manager, package, log_.Tail())) return Fit::kNo;
  // Then there is nothing that could be built either.
  if (absl::StrContains(log_.Tail(), "No matching distribution found")) return Fit::kYes;
  ExecSpec exec;
  exec.command = question;
  exec.cwd = "/";
  std::string output;
  const absl::StatusOr<ExecExit> answer =
      sandbox->Run(exec, std::min(deadline, resources_->clock->Monotonic() + kProbeTimeout),
                   control_, [&output](OutputStream, const std::string& data) {
                     if (output.size() < kMaxAnswer) output += data;
                   });
  if (!answer.ok() || answer->code == 0) return Fit::kYes;
  if (BlamesInterpreter(spec_.manager, package, output)) return Fit::kNo;
  // None at all: nothing is known.
  return absl::StrContains(output, "from versions: none") ? Fit::kYes : Fit::kFromSource;
}

}  // namespace paddock::nodeagent
