#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "nodeagent/build/build_control.h"
#include "nodeagent/init/init_client.h"
#include "nodeagent/session/exec_listener.h"
#include "nodeagent/session/start_step.h"
#include "nodeagent/system/poll_loop.h"

namespace paddock::nodeagent {

// What builds share of the node. Not owned. Their egress events aren't archived, so
// `node`->egress_archive is null.
struct BuildResources {
  const NodeResources* node = nullptr;
  PollLoop* loop = nullptr;
  std::function<std::unique_ptr<InitClient>(const std::string& sandbox_id)> init_factory;
  Clock* clock = nullptr;
  // Called on the build's thread once a layer is built, before its observer knows; may be null.
  std::function<void(const Layer&)> on_built;
};

// What ids of builds' sandboxes start with; sessions' never do.
inline constexpr absl::string_view kBuildPrefix = "build_";

// The sandbox of one build: made by the same steps as a session's, with the same isolation, but
// with no record, so that a restarted agent removes it. Used by one thread.
class BuildSandbox {
 public:
  using OutputHandler = std::function<void(OutputStream stream, const std::string& data)>;

  // `id` starts with kBuildPrefix.
  BuildSandbox(const BuildResources* resources, std::string id);
  // Removes everything, the volume too.
  ~BuildSandbox();

  // Runs the steps. On an error everything is gone again; `failed_step` says which it was.
  absl::Status Open(const SessionSpec& spec, std::string* failed_step);
  // Runs one command to its end, then kills what it left behind. DEADLINE_EXCEEDED when it isn't
  // over at `deadline` (Clock::Monotonic), CANCELLED, UNAVAILABLE when the sandbox ended.
  absl::StatusOr<ExecExit> Run(const ExecSpec& spec, absl::Duration deadline, BuildControl* control,
                               const OutputHandler& on_output);
  absl::StatusOr<CgroupUsage> Usage() const;
  // Names that limited networking refused it, and names of hosts it reached that are no registries
  // of its image; both empty where the network is unrestricted.
  struct Egress {
    std::set<std::string> denied;
    std::set<std::string> other_hosts;
  };
  absl::StatusOr<Egress> ReadEgress() const;
  // Whether the volume is full, by what is on disk.
  bool DiskIsFull() const;
  // Ends it; the volume stays, and nothing can write to it any more.
  absl::Status CloseKeepingVolume();
  std::string volume_dir() const { return resources_->node->paths->SessionVolume(id_); }

 private:
  absl::Status Close(bool keep_volume);
  absl::Status UndoSteps(bool keep_volume);

  const BuildResources* const resources_;
  const std::string id_;
  const std::vector<std::unique_ptr<StartStep>> steps_;
  StartContext context_;
  bool open_ = false;
};

// Removes what builds of an earlier agent left; before sessions are restored. A build that was
// under way is begun anew by whoever wanted it.
absl::Status SweepBuilds(const NodeResources& resources);

}  // namespace paddock::nodeagent
