// The node agent. Without a subcommand it serves; the others are for operators, and for itself.
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/string_view.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/mutex_mode.h"
#include "common/shutdown_signal.h"
#include "common/status_macros.h"
#include "nodeagent/agent.h"
#include "nodeagent/agent_flags.h"
#include "nodeagent/cleanup.h"
#include "nodeagent/egress/gateway_process.h"
#include "nodeagent/image/store_factory.h"
#include "nodeagent/net/namespace_pool_factory.h"
#include "nodeagent/session/node_identity.h"
#include "nodeagent/system/file.h"

ABSL_FLAG(std::string, termination_log, "",
          "Where the reason is written when the agent can't run; what a pod's status then shows.");

namespace paddock::nodeagent {
namespace {

constexpr char kUsage[] =
    "nodeagent [serve|node-id|cleanup|import-base ARCHIVE] [--flagfile=FILE] [flags]\n"
    "  serve         runs sessions of this machine for the control plane (default)\n"
    "  node-id       prints the node's id, made at the first call\n"
    "  cleanup       with the agent stopped: removes everything of it from this machine but its "
    "data\n"
    "  import-base   reads a base image into the node's layers and prints its digest";

absl::Status Serve(ShutdownSignal* shutdown) {
  PADDOCK_ASSIGN_OR_RETURN(const AgentFlags flags, ReadAgentFlags());
  PADDOCK_ASSIGN_OR_RETURN(const std::unique_ptr<Agent> agent,
                           Agent::Start(flags, [] { kill(getpid(), SIGTERM); }));
  const int number = shutdown->Wait();
  LogInfo("ending; sessions go on", {{"signal", number}});
  return absl::OkStatus();
}

absl::Status PrintNodeId() {
  const Paths paths(StateDirFlag(), "");
  PADDOCK_RETURN_IF_ERROR(MakeDirectories(paths.state(), 0711));
  PADDOCK_ASSIGN_OR_RETURN(const NodeIdentity node,
                           NodeIdentity::LoadOrCreate(paths.NodeFile(), Clock::Real()->Now()));
  printf("%s\n", node.node_id().c_str());
  return absl::OkStatus();
}

absl::Status CleanUp() {
  PADDOCK_ASSIGN_OR_RETURN(const AgentFlags flags, ReadAgentFlags());
  return CleanUpNode(flags);
}

absl::Status ImportBase(const std::vector<std::string>& arguments) {
  if (arguments.size() != 1) return absl::InvalidArgumentError("import-base: want one archive");
  PADDOCK_ASSIGN_OR_RETURN(const AgentFlags flags, ReadAgentFlags());
  PADDOCK_RETURN_IF_ERROR(PrepareNodeVolumes(flags));
  PADDOCK_ASSIGN_OR_RETURN(const std::unique_ptr<LayerStore> layers,
                           MakeLayerStore(flags.paths.volumes()));
  PADDOCK_ASSIGN_OR_RETURN(const std::string digest, layers->Import(arguments[0]));
  printf("%s\n", digest.c_str());
  return absl::OkStatus();
}

absl::Status Run(const std::string& command, const std::vector<std::string>& arguments,
                 ShutdownSignal* shutdown) {
  if (command == "serve") return Serve(shutdown);
  if (command == "node-id") return PrintNodeId();
  if (command == "cleanup") return CleanUp();
  if (command == "import-base") return ImportBase(arguments);
  return absl::InvalidArgumentError("unknown subcommand " + command);
}

void LeaveReason(const std::string& file, const absl::Status& reason) {
  if (file.empty()) return;
  if (absl::Status written = WriteControlFile(file, reason.message()); !written.ok()) {
    LogWarning("can't leave the reason", {{"file", file}, {"error", written.ToString()}});
  }
}

int Main(int argc, char** argv) {
  // What the agent starts of itself has arguments of its own, and its own ways with signals.
  if (argc > 1 && absl::string_view(argv[1]) == "gateway") return GatewayMain(argc - 1, argv + 1);
  if (argc > 1 && absl::string_view(argv[1]) == "pair-maker") {
    return PairMakerMain(argc - 1, argv + 1);
  }
  ShutdownSignal shutdown;
  absl::SetProgramUsageMessage(kUsage);
  const std::vector<char*> rest = absl::ParseCommandLine(argc, argv);
  const std::string command = rest.size() > 1 ? rest[1] : "serve";
  const std::vector<std::string> arguments(rest.begin() + std::min<size_t>(rest.size(), 2),
                                           rest.end());
  const absl::Status status = Run(command, arguments, &shutdown);
  if (status.ok()) return 0;
  LogError("nodeagent failed", {{"command", command}, {"error", status.ToString()}});
  LeaveReason(absl::GetFlag(FLAGS_termination_log), status);
  return 1;
}

}  // namespace
}  // namespace paddock::nodeagent

int main(int argc, char** argv) {
  paddock::UseMutexesOfProduction();
  return paddock::nodeagent::Main(argc, argv);
}
