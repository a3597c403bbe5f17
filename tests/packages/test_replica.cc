#include "tests/packages/test_replica.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <csignal>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "nodeagent/system/file.h"
#include "nodeagent/system/spawn.h"
#include "nodeagent/system/subprocess.h"
#include "tests/packages/test_agent.h"

namespace paddock::testing {
namespace {

constexpr std::chrono::seconds kStartTimeout{60};

}  // namespace

TestReplica::TestReplica(int number, Options options)
    : options_(std::move(options)),
      port_(FreePort()),
      internal_port_(FreePort()),
      metrics_port_(FreePort()) {
  char name[] = "/var/tmp/paddock-replica-XXXXXX";
  directory_ = mkdtemp(name);
  server_ = options_.certificates->Issue(absl::StrCat("server-", number));
  own_ = options_.certificates->Issue(absl::StrCat("replica-", number), {kControlPlaneRole});
}

TestReplica::~TestReplica() {
  if (pid_ > 0) {
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
  }
  if (::testing::Test::HasFailure()) {
    std::string log = Log();
    if (log.size() > 8000) log.erase(0, log.size() - 8000);
    fprintf(stderr, "the replica's log:\n%s\n", log.c_str());
  }
  const absl::Status removed = nodeagent::RemoveTree(directory_);
  EXPECT_TRUE(removed.ok()) << removed;
}

std::string TestReplica::Start() {
  const nodeagent::UniqueFd log(
      open((directory_ + "/log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  nodeagent::SpawnSpec spec;
  spec.argv = {PADDOCK_CONTROLPLANE_BINARY,
               absl::StrCat("--database_url=", options_.database_url),
               absl::StrCat("--listen=127.0.0.1:", port_),
               "--http_listen=",
               absl::StrCat("--internal_listen=127.0.0.1:", internal_port_),
               absl::StrCat("--metrics_listen=127.0.0.1:", metrics_port_),
               absl::StrCat("--tls_cert=", server_.cert),
               absl::StrCat("--tls_key=", server_.key),
               absl::StrCat("--ca=", own_.ca),
               absl::StrCat("--cert=", own_.cert),
               absl::StrCat("--key=", own_.key)};
  spec.argv.insert(spec.argv.end(), options_.flags.begin(), options_.flags.end());
  spec.fds = {{log.get(), 1}, {log.get(), 2}};
  const auto child = nodeagent::Spawn(spec);
  if (!child.ok()) return child.status().ToString();
  pid_ = child->pid;
  const auto channel = MakeChannel(EndpointFor(""));
  const bool up = channel->WaitForConnected(std::chrono::system_clock::now() + kStartTimeout);
  return up ? "" : "the replica doesn't serve";
}

void TestReplica::Kill() {
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

std::string TestReplica::NewKey() const {
  const auto secret =
      nodeagent::RunChecked({{PADDOCK_CONTROLPLANE_BINARY, "create-api-key", "--name=test",
                              "--admin", absl::StrCat("--database_url=", options_.database_url)}});
  EXPECT_TRUE(secret.ok()) << secret.status();
  return std::string(absl::StripAsciiWhitespace(secret.value_or("")));
}

Endpoint TestReplica::EndpointFor(const std::string& key) const {
  Endpoint endpoint;
  endpoint.address = absl::StrCat("127.0.0.1:", port_);
  endpoint.ca_file = options_.certificates->ca_file();
  endpoint.api_key = key;
  return endpoint;
}

double TestReplica::Metric(const std::string& name) const {
  const auto text =
      nodeagent::RunChecked({{"curl", "--silent", "--fail",
                              absl::StrCat("http://127.0.0.1:", metrics_port_, "/metrics")}});
  EXPECT_TRUE(text.ok()) << text.status();
  double sum = 0;
  for (absl::string_view line : absl::StrSplit(text.value_or(""), '\n')) {
    if (line.substr(0, line.find_first_of("{ ")) != name) continue;
    double value = 0;
    if (absl::SimpleAtod(line.substr(line.rfind(' ') + 1), &value)) sum += value;
  }
  return sum;
}

std::string TestReplica::Log() const {
  return nodeagent::ReadFile(directory_ + "/log").value_or("");
}

}  // namespace paddock::testing
