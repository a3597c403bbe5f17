#include "tests/privileged/gateway_fixture.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "nodeagent/net/netlink_socket.h"
#include "nodeagent/net/nft.h"
#include "nodeagent/net/route_requests.h"
#include "nodeagent/system/file.h"
#include "nodeagent/system/mount.h"
#include "nodeagent/system/replace_file.h"

namespace paddock::nodeagent {
namespace {

constexpr char kInstance[] = "gwtest";
constexpr char kSubnet[] = "10.219.0.0/16";

}  // namespace

void GatewayFixture::SetUp() {
  BecomePretendHost();
  char path[] = "/tmp/gateway_test.XXXXXX";
  directory_ = mkdtemp(path);
  internet_ = std::make_unique<PretendInternet>();
  options_.directory = absl::StrCat(directory_, "/gateway");
  options_.instance = kInstance;
  options_.subnet = kSubnet;
  options_.blocked = {PretendInternet::kControlPlane};
  options_.operator_file = absl::StrCat(directory_, "/network.conf");
  options_.resolv_conf = absl::StrCat(directory_, "/resolv.conf");
  options_.binary = PADDOCK_GATEWAY_TOOL;
  std::string resolver = absl::StrCat("nameserver ", PretendInternet::kPrivate, "\n");
  ASSERT_TRUE(ReplaceFile(options_.resolv_conf, resolver).ok());
  StartGateway();
  MakePool(64);
}

void GatewayFixture::MakePool(int slots) {
  NamespacePoolOptions options{*NetworkPlan::Create(kInstance, kSubnet), options_.RouterNetns()};
  options.slots = slots;
  options.binary = PADDOCK_GATEWAY_TOOL;
  auto made = CreateNamespacePool(options);
  ASSERT_TRUE(made.ok()) << made.status();
  pool_ = *std::move(made);
}

void GatewayFixture::TearDown() {
  pool_.reset();
  gateway_.reset();
  EXPECT_TRUE(CleanUpGateway(options_).ok()) << CleanUpGateway(options_);
  internet_.reset();
  EXPECT_EQ(LeftOf(kInstance, directory_), std::vector<std::string>());
  EXPECT_EQ(ReadFile("/proc/sys/net/ipv4/ip_forward").value_or(""), "0\n");
  EXPECT_TRUE(CleanUpGateway(options_).ok()) << "cleaning up twice must be harmless";
  EXPECT_TRUE(RemoveTree(directory_).ok());
}

void GatewayFixture::StartGateway() {
  auto gateway = GatewayProcess::Start(options_);
  ASSERT_TRUE(gateway.ok()) << gateway.status();
  gateway_ = *std::move(gateway);
}

GatewaySession GatewayFixture::SessionOf(const std::string& session_id, const NamespacePair& pair) {
  GatewaySession session;
  session.session_id = session_id;
  session.generation = 1;
  session.address = pair.address;
  session.router_veth = pair.router_veth;
  session.policy.kind = NetworkPolicy::Kind::kUnrestricted;
  return session;
}

NamespacePair GatewayFixture::Connect(const std::string& session_id, bool fenced,
                                      std::vector<std::string> cgroups) {
  absl::StatusOr<NamespacePair> pair = pool_->Acquire();
  EXPECT_TRUE(pair.ok()) << pair.status();
  if (!pair.ok()) return {};
  GatewaySession session = SessionOf(session_id, *pair);
  session.fenced = fenced;
  session.cgroup_directories = std::move(cgroups);
  absl::Status put = client().PutSession(session);
  EXPECT_TRUE(put.ok()) << put;
  return *std::move(pair);
}

pid_t GatewayFixture::GatewayPid() {
  absl::StatusOr<std::string> text = ReadFile(options_.PidFile());
  if (!text.ok()) return 0;
  auto json = nlohmann::json::parse(*text, nullptr, false);
  return json.is_object() ? json["pid"].get<pid_t>() : 0;
}

void GatewayFixture::WriteOperatorFile(const std::string& text) {
  ASSERT_TRUE(ReplaceFile(options_.operator_file, text).ok());
}

Attempt GatewayFixture::Tcp(const NamespacePair& from, const std::string& address, int port) {
  Attempt attempt;
  RunInNamespace(from.netns.get(), [&] { attempt = TryTcp(address, port); });
  return attempt;
}

Attempt GatewayFixture::Udp(const NamespacePair& from, const std::string& address, int port) {
  Attempt attempt;
  RunInNamespace(from.netns.get(), [&] { attempt = TryUdp(address, port); });
  return attempt;
}

LookUp GatewayFixture::Resolve(const NamespacePair& from, const std::string& name, bool tcp) {
  LookUp result;
  RunInNamespace(from.netns.get(), [&] { result = TryLookUp(from.gateway, name, tcp); });
  return result;
}

int64_t GatewayFixture::Verdict(const std::string& name) {
  absl::StatusOr<GatewayStats> stats = client().Stats();
  EXPECT_TRUE(stats.ok()) << stats.status();
  return stats.ok() ? stats->verdict_packets[name] : -1;
}

std::vector<std::string> LeftOf(const std::string& instance, const std::string& directory) {
  std::vector<std::string> left;
  auto socket = NetlinkSocket::Open(NETLINK_ROUTE);
  const std::vector<std::string> links = *ListLinks(*socket);
  for (const std::string& link : links) {
    if (absl::StartsWith(link, "pdk-")) left.push_back(link);
  }
  auto nft = Nft::Create();
  if (absl::StrContains(*nft->List("list tables"), instance)) left.push_back("nftables");
  const std::vector<MountEntry> mounts = *ReadMounts();
  for (const MountEntry& mount : mounts) {
    if (absl::StartsWith(mount.mount_point, directory)) left.push_back(mount.mount_point);
    if (!absl::StartsWith(mount.file_system, "cgroup")) continue;
    std::string cgroup = absl::StrCat(mount.mount_point, "/paddock-gateway-", instance);
    if (PathExists(cgroup)) left.push_back(cgroup);
  }
  if (PathExists(absl::StrCat(directory, "/gateway"))) left.push_back("directory");
  if (PathExists("/run/paddock")) left.push_back("/run/paddock");
  return left;
}

}  // namespace paddock::nodeagent
