#pragma once

#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "nodeagent/build/build_control.h"
#include "nodeagent/build/build_log.h"
#include "nodeagent/build/build_sandbox.h"
#include "nodeagent/build/build_types.h"
#include "nodeagent/image/package_plan.h"

namespace paddock::nodeagent {

// One build, from the plan to the layer. Blocks; used by one thread.
class LayerBuild {
 public:
  using Outcome = std::variant<Layer, BuildFailure>;

  // Nothing is owned; `sandbox_id` starts with kBuildPrefix.
  LayerBuild(const BuildResources* resources, const BuildSpec& spec, std::string sandbox_id,
             BuildControl* control, BuildObserver* observer);

  // A layer, or why there is none. Errors are the node's, INVALID_ARGUMENT, or CANCELLED. Whatever
  // it answers, nothing but the layer is left.
  absl::StatusOr<Outcome> Run();

 private:
  absl::StatusOr<Outcome> RunIn(BuildSandbox* sandbox, const PackagePlan& plan);
  absl::StatusOr<Outcome> Commit(BuildSandbox* sandbox, const PackagePlan& plan,
                                 std::vector<std::string> registry_hosts);
  // Passes on what the command writes.
  absl::StatusOr<ExecExit> RunCommand(BuildSandbox* sandbox, const PackageCommand& command);
  // Which hosts the manager that was just installed names as its registries. UNAVAILABLE when that
  // can't be found out.
  absl::StatusOr<std::vector<std::string>> AskRegistries(BuildSandbox* sandbox);
  // Runs a command of ours whose output isn't part of the log; what it wrote to standard output.
  // NOT_FOUND when the image hasn't the command; other errors when it failed.
  absl::StatusOr<std::string> Ask(BuildSandbox* sandbox, std::vector<std::string> argv,
                                  absl::Duration timeout);
  BuildFailure Explain(BuildSandbox* sandbox, const PackageCommand& command, const ExecExit& exit);
  BuildFailure Failure(absl::string_view reason, std::string message) const;
  // Whether the disk, memory or processes ran out; empty when none did.
  absl::string_view ExhaustedBound(BuildSandbox* sandbox) const;
  // Whether a package fits the image's interpreter: as it is, not at all, or after it is built.
  enum class Fit { kYes, kNo, kFromSource };
  Fit FitOf(BuildSandbox* sandbox, const std::string& package, absl::Duration deadline);
  // Names the package that doesn't fit, if that is why the install failed.
  bool BlameInterpreter(BuildSandbox* sandbox, BuildFailure* failure);
  void Say(std::vector<std::string> lines);
  absl::Duration Left() const { return deadline_ - resources_->clock->Monotonic(); }

  const BuildResources* const resources_;
  const BuildSpec& spec_;
  const std::string sandbox_id_;
  BuildControl* const control_;
  BuildObserver* const observer_;
  const absl::Duration begun_;
  const absl::Duration deadline_;
  BuildLog log_;
};

}  // namespace paddock::nodeagent
