#include "tests/bench/egress/bench_network.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/status_macros.h"
#include "nodeagent/net/network_namespace.h"
#include "nodeagent/net/nft.h"
#include "nodeagent/system/file.h"

namespace paddock::bench {
namespace {

using nodeagent::InternetServers;
using nodeagent::NetworkPolicy;
using nodeagent::PretendInternet;
using nodeagent::RunInNamespace;
using nodeagent::WriteFile;

constexpr char kInstance[] = "egbench";
constexpr char kSubnet[] = "10.219.0.0/16";
constexpr char kName[] = "web.allowed.test";
constexpr char kSession[] = "sesn_bench";
constexpr int kConnections = 30'000;
// HAProxy's port is this many above the server's.
constexpr int kHaproxyOffset = 1000;

}  // namespace

absl::StatusOr<std::unique_ptr<BenchNetwork>> BenchNetwork::Create() {
  std::unique_ptr<BenchNetwork> network(new BenchNetwork());
  PADDOCK_RETURN_IF_ERROR(network->SetUp());
  return network;
}

absl::Status BenchNetwork::SetUp() {
  nodeagent::BecomePretendHost();
  char path[] = "/tmp/egress_bench.XXXXXX";
  directory_ = mkdtemp(path);
  internet_ = std::make_unique<PretendInternet>(PretendInternet::Servers::kNone);
  names_ = std::make_unique<InternetServers>(internet_.get(), directory_ + "/internet");
  RunInNamespace(internet_->netns(), [this] { server_ = std::make_unique<StreamServer>(); });
  options_.directory = directory_ + "/gateway";
  options_.instance = kInstance;
  options_.subnet = kSubnet;
  options_.resolv_conf = directory_ + "/resolv.conf";
  options_.binary = PADDOCK_GATEWAY_TOOL;
  options_.max_connections_per_session = kConnections;
  PADDOCK_RETURN_IF_ERROR(WriteFile(
      options_.resolv_conf, absl::StrCat("nameserver ", InternetServers::kResolver, "\n"), 0644));
  PADDOCK_ASSIGN_OR_RETURN(gateway_, nodeagent::GatewayProcess::Start(options_));
  PADDOCK_ASSIGN_OR_RETURN(nodeagent::NetworkPlan plan,
                           nodeagent::NetworkPlan::Create(kInstance, kSubnet));
  nodeagent::NamespacePoolOptions pool{plan, options_.RouterNetns()};
  pool.slots = 4;
  pool.binary = PADDOCK_GATEWAY_TOOL;
  PADDOCK_ASSIGN_OR_RETURN(pool_, nodeagent::CreateNamespacePool(pool));
  PADDOCK_ASSIGN_OR_RETURN(pair_, pool_->Acquire());
  return StartHaproxy();
}

absl::Status BenchNetwork::StartHaproxy() {
  // HAProxy finds namespaces by name, in /run/netns, which is this pretend host's own.
  nodeagent::MustRun("mkdir -p /run/netns");
  nodeagent::MustRun("touch /run/netns/router");
  nodeagent::MustRun(absl::StrCat("mount --bind ", options_.RouterNetns(), " /run/netns/router"));
  std::string config =
      "global\n  maxconn 4000\n"
      "defaults\n  mode tcp\n  timeout connect 10s\n  timeout client 60s\n  timeout server 60s\n";
  for (const int port : {StreamServer::kEchoPort, StreamServer::kSourcePort}) {
    absl::StrAppend(&config, "listen p", port, "\n  bind ", pair_.gateway, ":",
                    port + kHaproxyOffset, " namespace router\n  server s ", InternetServers::kWeb,
                    ":", port, "\n");
  }
  const std::string file = directory_ + "/haproxy.cfg";
  PADDOCK_RETURN_IF_ERROR(WriteFile(file, config, 0644));
  absl::Status allowed;
  PADDOCK_ASSIGN_OR_RETURN(nodeagent::UniqueFd router,
                           nodeagent::OpenPinnedNamespace(options_.RouterNetns()));
  RunInNamespace(router.get(), [&] {
    absl::StatusOr<nodeagent::Nft> nft = nodeagent::Nft::Create();
    allowed = nft.ok()
                  ? nft->Run("insert rule inet paddock input tcp dport { 10001, 10002 } accept")
                  : nft.status();
  });
  PADDOCK_RETURN_IF_ERROR(allowed);
  nodeagent::SpawnSpec spec;
  const std::string output = directory_ + "/haproxy.out";
  const nodeagent::UniqueFd out(
      open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  spec.argv = {"setpriv", "--pdeathsig=KILL", "--", "haproxy", "-db", "-f", file};
  spec.fds = {{out.get(), 1}, {out.get(), 2}};
  PADDOCK_ASSIGN_OR_RETURN(haproxy_, nodeagent::Spawn(spec));
  PADDOCK_ASSIGN_OR_RETURN(Target target, Use(Path::kHaproxy, StreamServer::kEchoPort));
  bool answers = false;
  Inside([&] {
    answers = nodeagent::WaitUntil([&] {
      absl::StatusOr<nodeagent::UniqueFd> fd = Connect(target);
      return fd.ok() && Echo(fd->get()).ok();
    });
  });
  if (answers) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("HAProxy doesn't serve: ", nodeagent::ReadFile(output).value_or("")));
}

BenchNetwork::~BenchNetwork() {
  if (haproxy_.pid > 0) {
    kill(haproxy_.pid, SIGKILL);
    waitpid(haproxy_.pid, nullptr, 0);
    nodeagent::MustRun("umount /run/netns/router");
  }
  pair_ = {};
  pool_.reset();
  gateway_.reset();
  (void)nodeagent::CleanUpGateway(options_);
  names_.reset();
  server_.reset();
  internet_.reset();
  (void)nodeagent::RemoveTree(directory_);
}

nodeagent::GatewaySession BenchNetwork::SessionWith(const NetworkPolicy& policy) const {
  nodeagent::GatewaySession session;
  session.session_id = kSession;
  session.generation = 1;
  session.address = pair_.address;
  session.router_veth = pair_.router_veth;
  session.policy = policy;
  return session;
}

absl::StatusOr<Target> BenchNetwork::Use(Path path, int port) {
  NetworkPolicy policy;
  policy.kind =
      path == Path::kGateway ? NetworkPolicy::Kind::kLimited : NetworkPolicy::Kind::kUnrestricted;
  if (path == Path::kGateway) policy.hosts = {kName};
  PADDOCK_RETURN_IF_ERROR(client().PutSession(SessionWith(policy)));
  switch (path) {
    case Path::kDirect:
      return Target{InternetServers::kWeb, port};
    case Path::kHaproxy:
      return Target{pair_.gateway, port + kHaproxyOffset};
    case Path::kGateway: {
      nodeagent::LookUp look_up;
      Inside([&] { look_up = nodeagent::TryLookUp(pair_.gateway, kName); });
      if (look_up.address.empty()) return absl::UnavailableError("the gateway answers no look-up");
      return Target{look_up.address, port};
    }
  }
  return absl::InternalError("path");
}

void BenchNetwork::Inside(const std::function<void()>& action) const {
  RunInNamespace(pair_.netns.get(), action);
}

int64_t BenchNetwork::GatewayMemory() const {
  const auto json =
      nlohmann::json::parse(nodeagent::ReadFile(options_.PidFile()).value_or(""), nullptr, false);
  if (!json.is_object()) return 0;
  const std::string status =
      nodeagent::ReadFile(absl::StrCat("/proc/", json["pid"].get<pid_t>(), "/status")).value_or("");
  for (absl::string_view line : absl::StrSplit(status, '\n')) {
    const std::vector<absl::string_view> words =
        absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    int64_t kib = 0;
    if (words.size() > 1 && words[0] == "VmRSS:" && absl::SimpleAtoi(words[1], &kib)) {
      return kib * 1024;
    }
  }
  return 0;
}

}  // namespace paddock::bench
