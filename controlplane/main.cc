// One control plane replica, and the operator's commands that need the database.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "common/grpc_server.h"
#include "common/log.h"
#include "common/metrics_server.h"
#include "common/mutex_mode.h"
#include "common/open_files.h"
#include "common/pool_metrics.h"
#include "common/rpc_metrics.h"
#include "common/shutdown_signal.h"
#include "common/status_macros.h"
#include "common/tls.h"
#include "controlplane/api/core_executors.h"
#include "controlplane/api/public_server.h"
#include "controlplane/core/control_plane.h"
#include "controlplane/rest/rest_server.h"
#include "controlplane/rpc/node_channels.h"
#include "controlplane/rpc/node_registry_service.h"
#include "controlplane/rpc/rpc_node_client.h"
#include "controlplane/store/database.h"
#include "controlplane/store/database_monitor.h"

ABSL_FLAG(std::string, listen, "127.0.0.1:7443", "Public API (TLS): host:port.");
ABSL_FLAG(std::string, http_listen, "127.0.0.1:7446",
          "The same API as REST/JSON (HTTPS): host:port; empty: none.");
ABSL_FLAG(int, http_threads, 2, "Threads that read and write HTTP connections.");
ABSL_FLAG(std::string, internal_listen, "127.0.0.1:7444",
          "Node registry and channelz (mutual TLS): host:port.");
ABSL_FLAG(std::string, probe_listen, "",
          "The standard gRPC health service without TLS and nothing else, for probes that know no "
          "TLS (a kubelet's): host:port; empty: none. Service \"\": serves calls; \"live\": runs.");
ABSL_FLAG(std::string, metrics_listen, "127.0.0.1:7445", "HTTP /metrics: host:port.");
ABSL_FLAG(std::string, tls_cert, "", "Certificate chain of the public API (PEM).");
ABSL_FLAG(std::string, tls_key, "", "Its private key (PEM).");
ABSL_FLAG(std::string, ca, "", "CA of control plane and node agents (PEM).");
ABSL_FLAG(std::string, cert, "",
          "Certificate chain with the role paddock:control-plane, as server and client (PEM).");
ABSL_FLAG(std::string, key, "", "Its private key (PEM).");
ABSL_FLAG(std::string, database_url, "",
          "PostgreSQL; without it the environment variable PADDOCK_DATABASE_URL, which other "
          "users of the machine can't see.");
ABSL_FLAG(absl::Duration, database_wait, absl::Seconds(60),
          "How long to wait for the database at the start.");
ABSL_FLAG(int, database_connections, 28, "At most so many connections to the database.");
ABSL_FLAG(int, handler_threads, 12, "Threads that run the public API's handlers.");
ABSL_FLAG(int, handler_queue, 2000, "Calls that wait for them; more are refused.");
ABSL_FLAG(absl::Duration, drain_timeout, absl::Seconds(6),
          "How long running calls may go on after SIGTERM.");
ABSL_FLAG(absl::Duration, heartbeat_interval, absl::Seconds(2), "Of node agents.");
ABSL_FLAG(absl::Duration, not_ready_after, absl::Seconds(10),
          "A node that is silent for longer takes no sessions.");
ABSL_FLAG(absl::Duration, fence_after, absl::Seconds(45),
          "A silent node kills its RESCHEDULE sessions after this.");
ABSL_FLAG(absl::Duration, lost_after, absl::Seconds(60),
          "RESCHEDULE sessions of a silent node are placed elsewhere after this.");
ABSL_FLAG(
    std::string, node_listing, "",
    "A file that lists the Node objects of a Kubernetes cluster, kept up to date by "
    "deploy/kubernetes/scripts/node-list: a silent node whose object is gone is gone itself.");
ABSL_FLAG(int64_t, default_request_cpu_millis, 0, "Charged to nodes; 0: the built-in default.");
ABSL_FLAG(int64_t, default_request_memory_bytes, 0, "Charged to nodes; 0: the built-in default.");
ABSL_FLAG(int64_t, default_request_disk_bytes, 0, "Charged to nodes; 0: the built-in default.");
ABSL_FLAG(absl::Duration, build_timeout, absl::Minutes(30), "Of one layer of an image.");
ABSL_FLAG(absl::Duration, build_lease, absl::Seconds(15),
          "Another replica takes over a build whose replica is silent for longer.");
ABSL_FLAG(int, max_builds_per_node, 2, "Layers that one node builds at once.");
ABSL_FLAG(bool, images_can_be_pulled, false,
          "Nodes have a registry of layers in common, so that each can run every image.");
ABSL_FLAG(std::string, organization, "default", "create-api-key: the key's organization.");
ABSL_FLAG(std::string, workspace, "default", "create-api-key: the key's workspace.");
ABSL_FLAG(std::string, name, "", "create-api-key: the key's name.");
ABSL_FLAG(bool, admin, false, "create-api-key: whether the key may call AdminService.");
ABSL_FLAG(bool, if_none, false,
          "create-api-key: only if there is no key yet; else prints nothing.");

namespace paddock {
namespace {

constexpr char kUsage[] =
    "controlplane [serve | migrate | create-api-key --name=N [--admin]] [flags]\n"
    "  serve (the default)  serves the API until SIGTERM\n"
    "  migrate              brings the database's schema up to date\n"
    "  create-api-key       prints the secret of a new key on standard output, this once";

constexpr char kLiveService[] = "live";
constexpr int kExecutorThreads = 6;
constexpr int kRegistryThreads = 4;
constexpr int kRegistryQueue = 1000;

absl::StatusOr<Settings> ReadSettings() {
  Settings settings;
  settings.heartbeat_interval = absl::GetFlag(FLAGS_heartbeat_interval);
  settings.not_ready_after = absl::GetFlag(FLAGS_not_ready_after);
  settings.fence_after = absl::GetFlag(FLAGS_fence_after);
  settings.lost_after = absl::GetFlag(FLAGS_lost_after);
  settings.build_timeout = absl::GetFlag(FLAGS_build_timeout);
  settings.build_lease = absl::GetFlag(FLAGS_build_lease);
  settings.max_builds_per_node = absl::GetFlag(FLAGS_max_builds_per_node);
  settings.images_can_be_pulled = absl::GetFlag(FLAGS_images_can_be_pulled);
  ComputeRequests& requests = settings.default_requests;
  if (const int64_t v = absl::GetFlag(FLAGS_default_request_cpu_millis)) requests.cpu_millis = v;
  if (const int64_t v = absl::GetFlag(FLAGS_default_request_memory_bytes)) {
    requests.memory_bytes = v;
  }
  if (const int64_t v = absl::GetFlag(FLAGS_default_request_disk_bytes)) requests.disk_bytes = v;
  PADDOCK_RETURN_IF_ERROR(settings.Validate());
  return settings;
}

absl::StatusOr<std::string> ReadText(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::UnavailableError(absl::StrCat(path, " can't be opened"));
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (file.bad()) return absl::UnavailableError(absl::StrCat(path, " can't be read"));
  return text;
}

// Waits for a database that is still starting.
absl::StatusOr<std::unique_ptr<Database>> OpenDatabase(const Settings& settings) {
  PoolOptions options;
  options.url = absl::GetFlag(FLAGS_database_url);
  const char* variable = std::getenv("PADDOCK_DATABASE_URL");
  if (options.url.empty() && variable != nullptr) options.url = variable;
  if (options.url.empty()) {
    return absl::InvalidArgumentError("PADDOCK_DATABASE_URL isn't set, nor --database_url");
  }
  options.size = absl::GetFlag(FLAGS_database_connections);
  const absl::Duration give_up_at = Clock::Real()->Monotonic() + absl::GetFlag(FLAGS_database_wait);
  while (true) {
    auto database = Database::Open(options, settings);
    if (!absl::IsUnavailable(database.status())) return database;
    if (Clock::Real()->Monotonic() >= give_up_at) return database;
    LogWarning("waiting for the database", {{"error", database.status().message()}});
    absl::SleepFor(absl::Seconds(1));
  }
}

// The parts of a replica, in the order in which they depend on each other.
class Replica {
 public:
  Replica(std::unique_ptr<Database> database, const Settings& settings)
      : database_(std::move(database)), settings_(settings) {}
  ~Replica();

  absl::Status Start();
  void Drain();

 private:
  absl::Status StartPublicServer();
  absl::Status StartRestServer();
  absl::Status StartInternalServer();
  absl::Status StartProbes();
  absl::Status StartMetrics();
  void SetReady(bool ready);

  const std::unique_ptr<Database> database_;
  const Settings settings_;
  std::shared_ptr<prometheus::Registry> registry_ = std::make_shared<prometheus::Registry>();
  RpcMetrics rpc_metrics_{registry_.get()};
  TimerQueue timers_;
  QueueTimers core_timers_{&timers_};
  ThreadPool core_pool_{"core", kExecutorThreads, 0};
  PoolExecutor executor_{&core_pool_};
  ThreadPool handler_pool_{"handlers", static_cast<size_t>(absl::GetFlag(FLAGS_handler_threads)),
                           static_cast<size_t>(absl::GetFlag(FLAGS_handler_queue))};
  ThreadPool registry_pool_{"node-registry", kRegistryThreads, kRegistryQueue};
  std::shared_ptr<TlsIdentity> identity_;
  std::unique_ptr<NodeChannels> channels_;
  std::unique_ptr<RpcNodeClient> node_client_;
  std::unique_ptr<ControlPlane> control_plane_;
  std::unique_ptr<Authenticator> authenticator_;
  std::unique_ptr<PublicServer> public_server_;
  std::unique_ptr<RestServer> rest_server_;
  std::unique_ptr<NodeRegistryService> registry_service_;
  std::unique_ptr<GrpcServer> internal_server_;
  std::unique_ptr<DatabaseMonitor> database_monitor_;
  std::unique_ptr<GrpcServer> probe_server_;
  std::unique_ptr<MetricsServer> metrics_server_;
};

absl::Status Replica::Start() {
  PADDOCK_ASSIGN_OR_RETURN(identity_,
                           TlsIdentity::Load({absl::GetFlag(FLAGS_ca), absl::GetFlag(FLAGS_cert),
                                              absl::GetFlag(FLAGS_key)}));
  channels_ = std::make_unique<NodeChannels>(identity_);
  node_client_ = std::make_unique<RpcNodeClient>(channels_.get());
  ControlPlane::Deps deps;
  deps.stores = database_->stores();
  deps.client = node_client_.get();
  deps.executor = &executor_;
  deps.timers = &core_timers_;
  deps.registry = registry_.get();
  deps.database_connections = [this] {
    return std::make_pair(database_->connections_in_use(), database_->connections_waiting());
  };
  if (const std::string path = absl::GetFlag(FLAGS_node_listing); !path.empty()) {
    deps.node_listing = [path] { return ReadText(path); };
  }
  control_plane_ = std::make_unique<ControlPlane>(deps, settings_);
  authenticator_ = std::make_unique<Authenticator>(database_->stores().api_keys, Clock::Real());
  PADDOCK_RETURN_IF_ERROR(StartPublicServer());
  PADDOCK_RETURN_IF_ERROR(StartRestServer());
  PADDOCK_RETURN_IF_ERROR(StartInternalServer());
  PADDOCK_RETURN_IF_ERROR(StartProbes());
  PADDOCK_RETURN_IF_ERROR(StartMetrics());
  control_plane_->Start();
  database_monitor_ =
      std::make_unique<DatabaseMonitor>(database_->pool(), [this](bool ready) { SetReady(ready); });
  return absl::OkStatus();
}

absl::Status Replica::StartPublicServer() {
  PADDOCK_ASSIGN_OR_RETURN(
      const std::shared_ptr<TlsIdentity> identity,
      TlsIdentity::Load({"", absl::GetFlag(FLAGS_tls_cert), absl::GetFlag(FLAGS_tls_key)}));
  PublicServer::Deps deps;
  deps.authenticator = authenticator_.get();
  deps.pool = &handler_pool_;
  deps.timers = &timers_;
  deps.metrics = &rpc_metrics_;
  deps.environments = control_plane_->environments();
  deps.environment_feeds = control_plane_->environment_feeds();
  deps.agents = control_plane_->agents();
  deps.sessions = control_plane_->sessions();
  deps.nodes = control_plane_->nodes();
  deps.api_keys = control_plane_->api_keys();
  deps.node_stubs = [this](const NodeTarget& node) { return channels_->For(node); };
  PADDOCK_ASSIGN_OR_RETURN(public_server_, PublicServer::Start(deps, absl::GetFlag(FLAGS_listen),
                                                               identity->PublicServer()));
  return absl::OkStatus();
}

absl::Status Replica::StartRestServer() {
  HttpServer::Options options;
  options.listen = absl::GetFlag(FLAGS_http_listen);
  if (options.listen.empty()) return absl::OkStatus();
  options.certificate_file = absl::GetFlag(FLAGS_tls_cert);
  options.key_file = absl::GetFlag(FLAGS_tls_key);
  options.threads = absl::GetFlag(FLAGS_http_threads);
  // The other half is for gRPC, the database and node agents.
  options.limits.connections = std::min(options.limits.connections, RaiseOpenFilesLimit() / 2);
  RestServer::Deps deps;
  deps.authenticator = authenticator_.get();
  deps.pool = &handler_pool_;
  deps.metrics = &rpc_metrics_;
  deps.environments = control_plane_->environments();
  deps.agents = control_plane_->agents();
  deps.sessions = control_plane_->sessions();
  PADDOCK_ASSIGN_OR_RETURN(rest_server_, RestServer::Start(deps, options));
  return absl::OkStatus();
}

absl::Status Replica::StartInternalServer() {
  registry_service_ = std::make_unique<NodeRegistryService>(control_plane_->node_registry(),
                                                            &registry_pool_, &rpc_metrics_);
  GrpcServerOptions options;
  options.listen = absl::GetFlag(FLAGS_internal_listen);
  options.credentials = identity_->MutualServer();
  options.services = {registry_service_.get()};
  options.channelz = true;
  // A heartbeat lists every session of its node.
  options.max_message_bytes = 16 * 1024 * 1024;
  PADDOCK_ASSIGN_OR_RETURN(internal_server_, GrpcServer::Start(options));
  internal_server_->health().Set(internal::v1::NodeRegistry::service_full_name(), false);
  return absl::OkStatus();
}

absl::Status Replica::StartProbes() {
  if (absl::GetFlag(FLAGS_probe_listen).empty()) return absl::OkStatus();
  GrpcServerOptions options;
  options.listen = absl::GetFlag(FLAGS_probe_listen);
  options.credentials = grpc::InsecureServerCredentials();
  PADDOCK_ASSIGN_OR_RETURN(probe_server_, GrpcServer::Start(options));
  probe_server_->health().Set(kLiveService, true);
  return absl::OkStatus();
}

absl::Status Replica::StartMetrics() {
  auto pools = std::make_shared<PoolMetrics>(
      std::vector<const ThreadPool*>{&core_pool_, &handler_pool_, &registry_pool_});
  PADDOCK_ASSIGN_OR_RETURN(
      metrics_server_,
      MetricsServer::Start(absl::GetFlag(FLAGS_metrics_listen), {registry_, std::move(pools)}));
  return absl::OkStatus();
}

void Replica::SetReady(bool ready) {
  public_server_->SetReady(ready);
  if (rest_server_ != nullptr) rest_server_->SetReady(ready);
  internal_server_->health().SetAll(ready);
  if (probe_server_ != nullptr) probe_server_->health().Set("", ready);
}

void Replica::Drain() {
  database_monitor_.reset();
  SetReady(false);
  // Both at once: their calls have the same time.
  std::thread rest([this] {
    if (rest_server_ != nullptr) rest_server_->Drain(absl::GetFlag(FLAGS_drain_timeout));
  });
  public_server_->Drain(absl::GetFlag(FLAGS_drain_timeout));
  rest.join();
  control_plane_->StopReconciling();
  internal_server_->Drain(absl::Seconds(1));
}

// Each part ends before what it uses: callers, their threads, calls to nodes, continuations, core.
Replica::~Replica() {
  database_monitor_.reset();
  probe_server_.reset();
  metrics_server_.reset();
  rest_server_.reset();
  public_server_.reset();
  internal_server_.reset();
  handler_pool_.Join();
  registry_pool_.Join();
  timers_.Stop();
  if (node_client_ != nullptr) node_client_->Shutdown();
  core_pool_.Join();
  control_plane_.reset();
}

absl::Status Serve() {
  PADDOCK_ASSIGN_OR_RETURN(const Settings settings, ReadSettings());
  PADDOCK_ASSIGN_OR_RETURN(std::unique_ptr<Database> database, OpenDatabase(settings));
  ShutdownSignal signal;
  Replica replica(std::move(database), settings);
  PADDOCK_RETURN_IF_ERROR(replica.Start());
  LogInfo("serving", {{"listen", absl::GetFlag(FLAGS_listen)},
                      {"http_listen", absl::GetFlag(FLAGS_http_listen)},
                      {"internal_listen", absl::GetFlag(FLAGS_internal_listen)},
                      {"metrics_listen", absl::GetFlag(FLAGS_metrics_listen)}});
  LogInfo("draining", {{"signal", signal.Wait()}});
  replica.Drain();
  return absl::OkStatus();
}

absl::Status Migrate() { return OpenDatabase(Settings()).status(); }

absl::Status CreateApiKey() {
  PADDOCK_ASSIGN_OR_RETURN(const std::unique_ptr<Database> database, OpenDatabase(Settings()));
  ApiKeyOperations keys(database->stores().api_keys, Clock::Real());
  Principal operator_of_the_database;
  operator_of_the_database.admin = true;
  if (absl::GetFlag(FLAGS_if_none)) {
    PADDOCK_ASSIGN_OR_RETURN(const Page<ApiKey> existing,
                             keys.List(operator_of_the_database, PageRequest()));
    if (!existing.items.empty()) {
      LogInfo("there are keys already; none is made", {});
      return absl::OkStatus();
    }
  }
  const NewApiKey key{{absl::GetFlag(FLAGS_organization), absl::GetFlag(FLAGS_workspace)},
                      absl::GetFlag(FLAGS_name),
                      absl::GetFlag(FLAGS_admin)};
  PADDOCK_ASSIGN_OR_RETURN(const CreatedApiKey created, keys.Create(operator_of_the_database, key));
  std::printf("%s\n", created.secret.c_str());
  return absl::OkStatus();
}

absl::Status Run(const std::vector<char*>& arguments) {
  if (arguments.size() > 2) return absl::InvalidArgumentError(kUsage);
  const std::string command = arguments.size() == 2 ? arguments[1] : "serve";
  if (command == "serve") return Serve();
  if (command == "migrate") return Migrate();
  if (command == "create-api-key") return CreateApiKey();
  return absl::InvalidArgumentError(kUsage);
}

}  // namespace
}  // namespace paddock

int main(int argc, char** argv) {
  paddock::UseMutexesOfProduction();
  absl::SetProgramUsageMessage(paddock::kUsage);
  const absl::Status status = paddock::Run(absl::ParseCommandLine(argc, argv));
  if (status.ok()) return 0;
  std::fprintf(stderr, "controlplane: %s\n", std::string(status.message()).c_str());
  return 1;
}
