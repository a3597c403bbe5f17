#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "nodeagent/session/exec_clients.h"
#include "nodeagent/session/start_step.h"

namespace paddock::nodeagent {

// Finds out whether sessions of a runtime class work on this node, by a throwaway container: the
// steps of a session's start but for the network's (nobody has put its address into the gateway, so
// it reaches nothing), a command, the way back. Not for two threads at once.
class RuntimeProver {
 public:
  // `resources` must outlive this and have an entry for each class that is tried.
  RuntimeProver(const NodeResources* resources, std::string boot_id,
                absl::Duration timeout = absl::Seconds(30));

  // Removes what a proof of an agent that was killed left behind. Before sessions are restored.
  void Sweep();

  // OK: a container started, ran a command and went without a trace. Otherwise what went wrong, in
  // the words of the runtime where it was that.
  absl::Status Prove(const std::string& runtime_class);

 private:
  SessionRecord Describe(const std::string& runtime_class) const;
  absl::Status RunCommand(const SessionRecord& record);
  absl::Status Undo(const SessionRecord& record);

  const NodeResources* const resources_;
  const std::string boot_id_;
  const absl::Duration timeout_;
  ExecClients clients_;
  std::vector<std::unique_ptr<StartStep>> steps_;
};

}  // namespace paddock::nodeagent
