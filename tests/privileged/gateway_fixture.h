#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "nodeagent/egress/gateway_process.h"
#include "nodeagent/net/namespace_pool_factory.h"
#include "tests/privileged/pretend_internet.h"

namespace paddock::nodeagent {

// A gateway process and a pool on a pretend host with a pretend internet; everything is gone at the
// end, which is checked.
class GatewayFixture : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  // A pair whose session may go out.
  NamespacePair Connect(const std::string& session_id, bool fenced = false,
                        std::vector<std::string> cgroups = {});
  GatewaySession SessionOf(const std::string& session_id, const NamespacePair& pair);
  void StartGateway();
  void MakePool(int slots);
  GatewayClient& client() { return *gateway_->client(); }
  // Of the process that the pid file names; 0 without one.
  pid_t GatewayPid();
  void WriteOperatorFile(const std::string& text);
  // From inside of a sandbox.
  Attempt Tcp(const NamespacePair& from, const std::string& address,
              int port = TestServers::kEchoPort);
  Attempt Udp(const NamespacePair& from, const std::string& address,
              int port = TestServers::kEchoPort);
  LookUp Resolve(const NamespacePair& from, const std::string& name, bool tcp = false);
  int64_t Verdict(const std::string& name);

  std::string directory_;
  GatewayOptions options_;
  std::unique_ptr<PretendInternet> internet_;
  std::unique_ptr<GatewayProcess> gateway_;
  std::unique_ptr<NamespacePool> pool_;
};

// Names of links, nftables tables, pinned namespaces and cgroups that belong to `instance`.
std::vector<std::string> LeftOf(const std::string& instance, const std::string& directory);

}  // namespace paddock::nodeagent
