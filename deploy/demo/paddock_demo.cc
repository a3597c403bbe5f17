// The quickstart's client.
//
//   paddock_demo health                        exit 0 when the control plane serves
//   paddock_demo wait-nodes NAME…              exit 0 when these nodes are ready, and heard of
//   since
//                                              --since; else says which isn't after --timeout
//   paddock_demo run                           shows the main job, a line with its time for each
//   step
//   paddock_demo nodes                         lists the nodes
//   paddock_demo drain NODE_ID                 has its RESCHEDULE sessions moved; prints how many
//                                              were, how many stay, and whether it was `cordoned`
//   paddock_demo uncordon NODE_ID
//   paddock_demo revoke-key NAME               revokes the API keys of that name
//
// The API key is read from the environment variable PADDOCK_API_KEY.
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "common/status_macros.h"
#include "deploy/demo/demo_client.h"

ABSL_FLAG(std::string, addr, "127.0.0.1:7443", "host:port of the public API");
ABSL_FLAG(std::string, ca, "", "PEM file of the certificate authority");
ABSL_FLAG(absl::Duration, timeout, absl::Seconds(30), "how long wait-nodes waits");
ABSL_FLAG(std::string, state_file, "", "where run keeps the id of its environment");
ABSL_FLAG(double, since, 0, "seconds since the epoch; wait-nodes wants a heartbeat after it");

namespace paddock::demo {
namespace {

constexpr char kCommand[] =
    "echo \"user $(id -un), host $(hostname), $(. /etc/os-release; echo $PRETTY_NAME)\"; "
    "python3 -c 'import sys; print(\"python\", sys.version.split()[0])'; pwd";

template <typename T>
std::string ErrorOf(const absl::StatusOr<T>& result) {
  return absl::StrCat("FAILED: ", result.status().ToString());
}

// Runs one step and prints its name and time; what it made follows on the same line.
class Steps {
 public:
  template <typename Call, typename Describe>
  auto Run(absl::string_view name, Call call, Describe describe) {
    const absl::Time start = absl::Now();
    auto result = call();
    const double ms = absl::ToDoubleMilliseconds(absl::Now() - start);
    if (result.ok()) {
      std::cout << absl::StrFormat("  %-22s %8.1f ms   %s\n", name, ms, describe(*result));
    } else {
      std::cout << absl::StrFormat("  %-22s %8.1f ms   %s\n", name, ms, ErrorOf(result));
    }
    std::cout.flush();
    return result;
  }
  absl::Status Run(absl::string_view name, const std::function<absl::Status()>& call) {
    auto value = [&call]() -> absl::StatusOr<bool> {
      PADDOCK_RETURN_IF_ERROR(call());
      return true;
    };
    return Run(name, value, [](bool) { return ""; }).status();
  }
};

void PrintIndented(const std::string& text) {
  std::cout << "      | " << absl::StrReplaceAll(text, {{"\n", "\n      | "}}) << "\n";
}

absl::Status RunCommand(DemoClient& client, Steps& steps, absl::string_view name,
                        const std::string& session_id, const std::vector<std::string>& command) {
  PADDOCK_ASSIGN_OR_RETURN(
      CommandResult result,
      steps.Run(
          name, [&] { return client.Run(session_id, command); },
          [](const CommandResult& r) { return absl::StrCat("exit code ", r.code); }));
  while (!result.output.empty() && result.output.back() == '\n') result.output.pop_back();
  PrintIndented(result.output);
  if (result.code != 0) return absl::UnknownError("the command failed inside the sandbox");
  return absl::OkStatus();
}

absl::Status UseSession(DemoClient& client, Steps& steps, const v1::Session& session) {
  if (session.state() != v1::SESSION_STATE_RUNNING) {
    return absl::UnavailableError(absl::StrCat(
        "the session is ", v1::SessionState_Name(session.state()), ": ", session.state_reason()));
  }
  PADDOCK_RETURN_IF_ERROR(
      RunCommand(client, steps, "first command", session.id(), {"sh", "-c", kCommand}));
  return RunCommand(client, steps, "another command", session.id(), {"echo", "hello"});
}

absl::Status UseEnvironment(DemoClient& client, Steps& steps, const v1::Agent& agent,
                            const v1::Environment& environment) {
  PADDOCK_ASSIGN_OR_RETURN(
      const v1::Session session,
      steps.Run(
          "create a session", [&] { return client.CreateSession(agent, environment); },
          [](const v1::Session& s) {
            return absl::StrCat(s.id(), " on ", s.node_id(), " ", v1::SessionState_Name(s.state()));
          }));
  const absl::Status used = UseSession(client, steps, session);
  const absl::Status deleted =
      steps.Run("delete the session", [&] { return client.DeleteSession(session.id()); });
  return used.ok() ? deleted : used;
}

// The last run's environment goes (unless somebody uses it), so that a thousand runs leave no trace
// but archived agents.
void ReplaceEnvironment(DemoClient& client, const std::string& id) {
  const std::string file = absl::GetFlag(FLAGS_state_file);
  if (file.empty()) return;
  std::string previous;
  std::ifstream(file) >> previous;
  if (!previous.empty()) client.DeleteEnvironment(previous).IgnoreError();
  std::ofstream(file) << id << "\n";
}

absl::Status ShowMainJob(DemoClient& client) {
  Steps steps;
  const std::string name = absl::StrCat("quickstart ", absl::ToUnixMillis(absl::Now()));
  PADDOCK_ASSIGN_OR_RETURN(const v1::Agent agent,
                           steps.Run(
                               "create an agent", [&] { return client.CreateAgent(name); },
                               [](const v1::Agent& a) { return a.id(); }));
  PADDOCK_ASSIGN_OR_RETURN(
      const v1::Environment environment,
      steps.Run(
          "create an environment", [&] { return client.CreateEnvironment(name); },
          [](const v1::Environment& e) { return e.id(); }));
  ReplaceEnvironment(client, environment.id());
  const absl::Status used = UseEnvironment(client, steps, agent, environment);
  const absl::Status archived = client.ArchiveAgent(agent.id());
  return used.ok() ? archived : used;
}

absl::Status PrintNodes(DemoClient& client) {
  PADDOCK_ASSIGN_OR_RETURN(const std::vector<v1::Node> nodes, client.ListNodes());
  for (const v1::Node& node : nodes) {
    std::cout << absl::StrFormat("  %-14s %-22s %4d sessions   %s %s\n", node.name(),
                                 v1::NodeState_Name(node.state()), node.used().sessions(),
                                 node.id(), node.state_reason());
  }
  return absl::OkStatus();
}

// Empty when all are ready; else why the first isn't.
absl::StatusOr<std::string> WhyNotReady(DemoClient& client, const std::vector<std::string>& names) {
  PADDOCK_ASSIGN_OR_RETURN(const std::vector<v1::Node> nodes, client.ListNodes());
  std::map<std::string, std::string> why;
  for (const std::string& name : names) why[name] = "has not registered";
  for (const v1::Node& node : nodes) {
    auto it = why.find(node.name());
    if (it == why.end() || it->second.empty()) continue;
    const bool heard = node.last_heartbeat_at().seconds() >= absl::GetFlag(FLAGS_since);
    if (node.state() != v1::NODE_STATE_READY || !heard) {
      it->second = absl::StrCat(v1::NodeState_Name(node.state()), " ", node.state_reason());
    } else {
      it->second.clear();
    }
  }
  for (const auto& entry : why) {
    if (!entry.second.empty()) return absl::StrCat(entry.first, ": ", entry.second);
  }
  return std::string();
}

absl::Status WaitForNodes(DemoClient& client, const std::vector<std::string>& names) {
  const absl::Time deadline = absl::Now() + absl::GetFlag(FLAGS_timeout);
  std::string why;
  while (true) {
    const absl::StatusOr<std::string> now = WhyNotReady(client, names);
    if (!now.ok() && !absl::IsUnavailable(now.status())) return now.status();
    why = now.ok() ? *now : std::string(now.status().message());
    if (why.empty()) return absl::OkStatus();
    if (absl::Now() > deadline) return absl::DeadlineExceededError(why);
    absl::SleepFor(absl::Milliseconds(50));
  }
}

// The reconciler looks every second, and a session starts in less.
constexpr absl::Duration kDrainPatience = absl::Seconds(4);

absl::Status Drain(DemoClient& client, const std::string& node_id) {
  PADDOCK_ASSIGN_OR_RETURN(const NodeDrain drain, client.DrainNode(node_id, kDrainPatience));
  std::cout << drain.moved << " " << drain.remaining << " "
            << (drain.was_cordoned ? "cordoned" : "open") << "\n";
  return absl::OkStatus();
}

absl::Status Main(const std::vector<char*>& arguments) {
  if (arguments.size() < 2) {
    return absl::InvalidArgumentError(
        "health, wait-nodes, nodes, run, drain, uncordon or revoke-key");
  }
  const char* key = std::getenv("PADDOCK_API_KEY");
  PADDOCK_ASSIGN_OR_RETURN(std::unique_ptr<DemoClient> client,
                           DemoClient::Connect(absl::GetFlag(FLAGS_addr), absl::GetFlag(FLAGS_ca),
                                               key == nullptr ? "" : key));
  const std::string command = arguments[1];
  if (command == "health") return client->CheckHealth();
  if (command == "nodes") return PrintNodes(*client);
  if (command == "run") return ShowMainJob(*client);
  if (command == "drain" && arguments.size() == 3) return Drain(*client, arguments[2]);
  if (command == "uncordon" && arguments.size() == 3) return client->UncordonNode(arguments[2]);
  if (command == "revoke-key" && arguments.size() == 3) return client->RevokeApiKeys(arguments[2]);
  if (command == "wait-nodes") {
    return WaitForNodes(*client, std::vector<std::string>(arguments.begin() + 2, arguments.end()));
  }
  return absl::InvalidArgumentError(absl::StrCat("unknown command ", command));
}

}  // namespace
}  // namespace paddock::demo

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage(
      "paddock_demo health | wait-nodes NAME… | nodes | run | drain NODE_ID | uncordon NODE_ID | "
      "revoke-key NAME");
  const absl::Status status = paddock::demo::Main(absl::ParseCommandLine(argc, argv));
  if (status.ok()) return 0;
  std::cerr << "paddock_demo: " << status.ToString() << "\n";
  // Told apart by the quickstart, which then makes a new key.
  return absl::IsUnauthenticated(status) ? 3 : 1;
}
