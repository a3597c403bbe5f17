#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "nodeagent/egress/gateway_process.h"
#include "nodeagent/net/namespace_pool_factory.h"
#include "tests/privileged/internet_servers.h"
#include "tests/privileged/sandbox_host.h"

namespace paddock::nodeagent {

// A pretend host with a gateway process and real sandboxes, in front of a pretend internet that
// says what it saw. Made once for a suite, because starting it takes a second; its end checks that
// nothing is left. Not thread-safe. Failures fail the test.
class EgressWorld {
 public:
  explicit EgressWorld(SandboxHost::Root root);
  ~EgressWorld();

  // What an agent does for the gateway process ends, and begins again; in between nothing but it
  // runs, and client() mustn't be used.
  void StopAgent() { gateway_.reset(); }
  void StartAgent();

  GatewayClient& client() { return *gateway_->client(); }
  GatewayProcess& gateway() { return *gateway_; }
  InternetServers& servers() { return *servers_; }
  PretendInternet& internet() { return *internet_; }
  NamespacePool& pool() { return *pool_; }
  SandboxHost& sandboxes() { return *sandboxes_; }
  const GatewayOptions& options() const { return options_; }
  // Of the process that the pid file names; 0 without one.
  pid_t GatewayPid() const;

 private:
  std::string directory_;
  GatewayOptions options_;
  std::unique_ptr<PretendInternet> internet_;
  std::unique_ptr<InternetServers> servers_;
  std::unique_ptr<GatewayProcess> gateway_;
  std::unique_ptr<NamespacePool> pool_;
  std::unique_ptr<SandboxHost> sandboxes_;
};

// One limited session: a running sandbox behind the gateway. Removed with everything at its end.
class LimitedSession {
 public:
  LimitedSession(EgressWorld* world, const std::string& id, const NetworkPolicy& policy);
  ~LimitedSession();
  LimitedSession(const LimitedSession&) = delete;
  LimitedSession& operator=(const LimitedSession&) = delete;

  // What a command prints inside, on both streams.
  std::string Run(const std::vector<std::string>& command,
                  absl::Duration timeout = absl::Seconds(30));
  // The same for `sh -c`; the exit code is the last line, "exit N".
  std::string Shell(const std::string& script, absl::Duration timeout = absl::Seconds(60));
  // A probe with these arguments.
  std::string Probe(std::vector<std::string> arguments);
  // All events so far, oldest first.
  std::vector<EgressEvent> Events();
  // Waits for an event that says this; adds a failure with all events if none comes. `reason`: a
  // part of it.
  struct Expected {
    std::string name;
    int port = -1;  // -1: any.
    bool allowed = false;
    std::string reason;
  };
  void ExpectEvent(const Expected& expected);

  const NamespacePair& pair() const { return pair_; }
  const GatewaySession& session() const { return session_; }

 private:
  EgressWorld* const world_;
  NamespacePair pair_;
  GatewaySession session_;
  ContainerSpec spec_;
};

// For suites whose tests share a world.
class EgressTest : public ::testing::Test {
 protected:
  static void MakeWorld(SandboxHost::Root root);
  static void TearDownTestSuite() { world_.reset(); }
  // A session with a policy that allows the names below allowed.test and wild.test that the pretend
  // internet has, and one port of mcp.allowed.test.
  std::unique_ptr<LimitedSession> Limited();
  std::unique_ptr<LimitedSession> Limited(const NetworkPolicy& policy);
  static NetworkPolicy StandardPolicy();

  static inline std::unique_ptr<EgressWorld> world_;
  static inline int sessions_ = 0;
};

// One event as a line, for messages of failures.
std::string ToString(const EgressEvent& event);

}  // namespace paddock::nodeagent
