#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "tests/packages/test_agent.h"
#include "tests/packages/test_replica.h"

namespace paddock::testing {

// Whether the condition comes true within `patience`.
template <typename Condition>
bool Eventually(Condition condition, absl::Duration patience = absl::Seconds(60)) {
  const absl::Time give_up = absl::Now() + patience;
  while (!condition()) {
    if (absl::Now() > give_up) return false;
    absl::SleepFor(absl::Milliseconds(20));
  }
  return true;
}

// A whole Paddock of real processes: a database of its own, replicas, agents. Agents are added by
// the test. Ends with the object. Not thread-safe.
class TestFleet {
 public:
  // `flags` are added to the replicas'.
  explicit TestFleet(int replicas = 1, const std::vector<std::string>& flags = {});
  ~TestFleet();

  // An agent that isn't started yet, with a number of its own.
  TestAgent& AddAgent(std::vector<std::string> flags = {});
  TestAgent& agent(int number) { return *agents_[number]; }
  TestReplica& replica(int number) { return *replicas_[number]; }
  PaddockClient& client(int replica = 0) { return *clients_[replica]; }

  // Starts it, and waits until the control plane takes it for READY.
  void Join(TestAgent& agent);
  void Cordon(const TestAgent& agent);
  // The agent that has this id; fails the test when there is none.
  TestAgent& AgentOf(const std::string& node_id);

  using Packages = std::map<std::string, std::vector<std::string>>;
  // By manager. `limited`: with package managers allowed, and those hosts.
  v1::Environment CreateEnvironment(const Packages& packages, int replica = 0,
                                    const std::vector<std::string>* limited_to = nullptr);
  // Watches until the image is READY or FAILED, or the stream breaks; the last image that was seen.
  v1::EnvironmentImage Watch(const std::string& environment_id, int replica = 0,
                             const std::function<void(const v1::BuildLogLine&)>& on_line = nullptr);
  v1::EnvironmentImage ImageOf(const std::string& environment_id, int replica = 0);
  // RUNNING, or a failed test.
  v1::Session Run(const std::string& environment_id, int replica = 0);
  // What the command says (both streams), and its exit code, as user nobody.
  ExecResult Shell(const v1::Session& session, const std::string& script, int replica = 0) {
    return ShellAs("nobody", session, script, replica);
  }
  ExecResult ShellAs(const std::string& user, const v1::Session& session, const std::string& script,
                     int replica = 0);
  // Deletes what was made through this, so that agents end empty.
  void Clear(int replica = 0);

  // How often `text` stands in the logs of all agents.
  int CountInLogs(const std::string& text) const;

 private:
  TestCertificates certificates_;
  std::vector<std::unique_ptr<TestReplica>> replicas_;
  std::vector<std::unique_ptr<PaddockClient>> clients_;
  std::vector<std::unique_ptr<TestAgent>> agents_;
  std::vector<std::string> environments_;
  std::vector<std::string> sessions_;
  int next_ = 0;
};

}  // namespace paddock::testing
