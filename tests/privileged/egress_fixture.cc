#include "tests/privileged/egress_fixture.h"

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "nodeagent/system/file.h"
#include "nodeagent/system/replace_file.h"
#include "tests/privileged/gateway_fixture.h"

namespace paddock::nodeagent {
namespace {

constexpr char kInstance[] = "egtest";
constexpr char kSubnet[] = "10.219.0.0/16";
constexpr int kSlots = 64;
constexpr int kEventsAtOnce = 1000;

}  // namespace

EgressWorld::EgressWorld(SandboxHost::Root root) {
  BecomePretendHost();
  char path[] = "/tmp/egress_test.XXXXXX";
  directory_ = mkdtemp(path);
  internet_ = std::make_unique<PretendInternet>(PretendInternet::Servers::kNone);
  servers_ = std::make_unique<InternetServers>(internet_.get(), directory_ + "/internet");
  options_.directory = directory_ + "/gateway";
  options_.instance = kInstance;
  options_.subnet = kSubnet;
  options_.blocked = {PretendInternet::kControlPlane, "198.51.100.98"};
  options_.operator_file = directory_ + "/network.conf";
  options_.resolv_conf = directory_ + "/resolv.conf";
  options_.binary = PADDOCK_GATEWAY_TOOL;
  const std::string resolver = absl::StrCat("nameserver ", InternetServers::kResolver, "\n");
  EXPECT_TRUE(ReplaceFile(options_.resolv_conf, resolver).ok());
  StartAgent();
  NamespacePoolOptions pool{*NetworkPlan::Create(kInstance, kSubnet), options_.RouterNetns()};
  pool.slots = kSlots;
  pool.binary = PADDOCK_GATEWAY_TOOL;
  absl::StatusOr<std::unique_ptr<NamespacePool>> made = CreateNamespacePool(pool);
  EXPECT_TRUE(made.ok()) << made.status();
  pool_ = *std::move(made);
  sandboxes_ = std::make_unique<SandboxHost>(root);
}

void EgressWorld::StartAgent() {
  absl::StatusOr<std::unique_ptr<GatewayProcess>> gateway = GatewayProcess::Start(options_);
  ASSERT_TRUE(gateway.ok()) << gateway.status();
  gateway_ = *std::move(gateway);
}

EgressWorld::~EgressWorld() {
  sandboxes_.reset();
  pool_.reset();
  gateway_.reset();
  const absl::Status cleaned = CleanUpGateway(options_);
  EXPECT_TRUE(cleaned.ok()) << cleaned;
  servers_.reset();
  internet_.reset();
  EXPECT_EQ(LeftOf(kInstance, directory_), std::vector<std::string>());
  EXPECT_TRUE(RemoveTree(directory_).ok());
}

pid_t EgressWorld::GatewayPid() const {
  const absl::StatusOr<std::string> text = ReadFile(options_.PidFile());
  if (!text.ok()) return 0;
  const auto json = nlohmann::json::parse(*text, nullptr, false);
  return json.is_object() ? json["pid"].get<pid_t>() : 0;
}

LimitedSession::LimitedSession(EgressWorld* world, const std::string& id,
                               const NetworkPolicy& policy)
    : world_(world) {
  absl::StatusOr<NamespacePair> pair = world_->pool().Acquire();
  EXPECT_TRUE(pair.ok()) << pair.status();
  pair_ = *std::move(pair);
  session_.session_id = id;
  session_.generation = 1;
  session_.address = pair_.address;
  session_.router_veth = pair_.router_veth;
  session_.policy = policy;
  const absl::Status put = world_->client().PutSession(session_);
  EXPECT_TRUE(put.ok()) << put;
  spec_ = world_->sandboxes().Start(id, pair_);
}

LimitedSession::~LimitedSession() {
  world_->sandboxes().Destroy(spec_);
  EXPECT_TRUE(world_->client().RemoveSession(session_.session_id).ok());
  EXPECT_TRUE(world_->pool().Release(pair_.index).ok());
}

std::string LimitedSession::Run(const std::vector<std::string>& command, absl::Duration timeout) {
  absl::StatusOr<CommandResult> result = RunInside(spec_, command, timeout);
  EXPECT_TRUE(result.ok()) << absl::StrJoin(command, " ").substr(0, 400) << ": " << result.status();
  return result.ok() ? result->output : "";
}

std::string LimitedSession::Shell(const std::string& script, absl::Duration timeout) {
  return Run({"/bin/sh", "-c", absl::StrCat(script, "\necho exit $?")}, timeout);
}

std::string LimitedSession::Probe(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "probe");
  return Run(arguments);
}

std::vector<EgressEvent> LimitedSession::Events() {
  std::vector<EgressEvent> events;
  while (true) {
    const int64_t after = events.empty() ? 0 : events.back().sequence;
    absl::StatusOr<EgressPage> page =
        world_->client().ListEgress(session_.session_id, after, kEventsAtOnce);
    EXPECT_TRUE(page.ok()) << page.status();
    if (!page.ok()) return events;
    events.insert(events.end(), page->events.begin(), page->events.end());
    if (!page->more || page->events.empty()) return events;
  }
}

void LimitedSession::ExpectEvent(const Expected& expected) {
  std::vector<EgressEvent> events;
  const bool found = WaitUntil([&] {
    events = Events();
    for (const EgressEvent& event : events) {
      if (event.name == expected.name && (expected.port < 0 || event.port == expected.port) &&
          event.allowed == expected.allowed && absl::StrContains(event.reason, expected.reason)) {
        return true;
      }
    }
    return false;
  });
  EXPECT_TRUE(found) << "no event name=" << expected.name << " port=" << expected.port
                     << (expected.allowed ? " allowed" : " denied") << " reason with \""
                     << expected.reason << "\" among:\n  "
                     << absl::StrJoin(events, "\n  ", [](std::string* out, const EgressEvent& e) {
                          absl::StrAppend(out, ToString(e));
                        });
}

void EgressTest::MakeWorld(SandboxHost::Root root) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  world_ = std::make_unique<EgressWorld>(root);
}

NetworkPolicy EgressTest::StandardPolicy() {
  NetworkPolicy policy;
  policy.kind = NetworkPolicy::Kind::kLimited;
  for (const char* name :
       {"web",        "both",      "six",       "h2",      "ssh",       "db",      "dead",
        "mixed",      "metadata",  "metadata6", "private", "node",      "control", "database",
        "loopback",   "zero",      "sibling",   "mapped",  "sixtofour", "nat64",   "teredo",
        "compatible", "loopback6", "turns",     "silent",  "missing",   "alias"}) {
    policy.hosts.push_back(absl::StrCat(name, ".allowed.test"));
  }
  policy.hosts.push_back("*.wild.test");
  policy.hosts.push_back("xn--bcher-kva.test");
  policy.host_ports.push_back({"mcp.allowed.test", 8443});
  return policy;
}

std::unique_ptr<LimitedSession> EgressTest::Limited() { return Limited(StandardPolicy()); }

std::unique_ptr<LimitedSession> EgressTest::Limited(const NetworkPolicy& policy) {
  return std::make_unique<LimitedSession>(world_.get(), absl::StrCat("sesn_", ++sessions_), policy);
}

std::string ToString(const EgressEvent& event) {
  return absl::StrCat(event.sequence, " ", event.allowed ? "allowed" : "denied", " ",
                      event.protocol, " name=", event.name, " address=", event.address,
                      " port=", event.port, " sent=", event.bytes_sent,
                      " received=", event.bytes_received, " reason=", event.reason);
}

}  // namespace paddock::nodeagent
