#include "nodeagent/agent.h"

#include <grpcpp/create_channel.h>

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/log.h"
#include "common/open_files.h"
#include "common/status_macros.h"
#include "nodeagent/image/image_facts.h"
#include "nodeagent/image/package_plan.h"
#include "nodeagent/image/prepare_volumes.h"
#include "nodeagent/image/pulling_layer_store.h"
#include "nodeagent/image/store_factory.h"
#include "nodeagent/init/socket_client.h"
#include "nodeagent/net/egress_check.h"
#include "nodeagent/net/namespace_pool_factory.h"
#include "nodeagent/session/session_restorer.h"
#include "nodeagent/system/boot_clock.h"
#include "nodeagent/system/file.h"
#include "nodeagent/system/machine.h"

namespace paddock::nodeagent {
namespace {

constexpr absl::Duration kSweepTimeout = absl::Seconds(60);
constexpr absl::Duration kDrainPatience = absl::Seconds(2);
constexpr int kLoopThreads = 2;
constexpr int kExecWorkers = 8;
constexpr size_t kReasonBytes = 500;

// Why the node takes no sessions, as who looks after it wrote it down; empty when it may.
std::string OperatorsReason(const std::string& file) {
  if (file.empty()) return "";
  absl::StatusOr<std::string> text = ReadFile(file);
  return text.ok() ? text->substr(0, std::min(text->find('\n'), kReasonBytes)) : "";
}

}  // namespace

absl::Status PrepareNodeVolumes(const AgentFlags& flags) {
  PADDOCK_RETURN_IF_ERROR(MakeDirectories(flags.paths.volumes()));
  if (!flags.volumes_device.empty()) {
    return PrepareVolumesOnDevice(flags.volumes_device, flags.paths.volumes());
  }
  if (flags.volumes_file.empty()) return absl::OkStatus();
  return PrepareVolumes(flags.volumes_file, flags.volumes_bytes, flags.paths.volumes());
}

absl::StatusOr<std::unique_ptr<Agent>> Agent::Start(const AgentFlags& flags,
                                                    std::function<void()> on_superseded) {
  std::unique_ptr<Agent> agent(new Agent(flags));
  PADDOCK_RETURN_IF_ERROR(agent->TakeNode());
  PADDOCK_RETURN_IF_ERROR(agent->OpenStorage());
  PADDOCK_RETURN_IF_ERROR(agent->OpenIsolation());
  PADDOCK_RETURN_IF_ERROR(agent->OpenSessions());
  PADDOCK_RETURN_IF_ERROR(agent->Serve());
  PADDOCK_RETURN_IF_ERROR(agent->Join(std::move(on_superseded)));
  return agent;
}

Agent::~Agent() {
  // Nobody is told anything any more, then nobody asks, then what works on is put down.
  if (manager_ != nullptr) manager_->SetChangeListener(nullptr);
  control_plane_.reset();
  // Calls that build would outlast the patience.
  if (builder_ != nullptr) builder_->Stop();
  if (server_ != nullptr) server_->Drain(kDrainPatience);
  server_.reset();
  housekeeper_.reset();
  // Workers of the manager call the exec service, whose end needs the manager.
  if (manager_ != nullptr) manager_->SetGoneListener(nullptr);
  execs_.reset();
}

absl::Status Agent::TakeNode() {
  PADDOCK_RETURN_IF_ERROR(CheckKnowsIpv4(flags_.listen));
  PADDOCK_RETURN_IF_ERROR(MakeDirectories(flags_.paths.state(), 0711));
  PADDOCK_ASSIGN_OR_RETURN(lock_, LockFile(absl::StrCat(flags_.paths.state(), "/agent.lock")));
  RaiseOpenFilesLimit();
  PADDOCK_ASSIGN_OR_RETURN(
      NodeIdentity node,
      NodeIdentity::LoadOrCreate(flags_.paths.NodeFile(), Clock::Real()->Now(), flags_.node_id));
  node_id_ = node.node_id();
  PADDOCK_ASSIGN_OR_RETURN(epoch_, node.NextEpoch(Clock::Real()->Now()));
  PADDOCK_ASSIGN_OR_RETURN(boot_id_, BootId());
  PADDOCK_ASSIGN_OR_RETURN(identity_, TlsIdentity::Load(flags_.tls));
  return absl::OkStatus();
}

absl::Status Agent::OpenStorage() {
  PADDOCK_RETURN_IF_ERROR(PrepareNodeVolumes(flags_));
  PADDOCK_ASSIGN_OR_RETURN(volumes_, MakeVolumeStore(flags_.paths.volumes()));
  PADDOCK_RETURN_IF_ERROR(OpenLayers());
  PADDOCK_RETURN_IF_ERROR(layers_->Sweep());
  if (flags_.base_image.empty()) {
    LogWarning("no --base_image: sessions without an image of their own can't start");
  } else if (absl::StartsWith(flags_.base_image, "sha256:")) {
    base_image_ = flags_.base_image;
  } else {
    PADDOCK_ASSIGN_OR_RETURN(base_image_, layers_->Import(flags_.base_image));
  }
  return absl::OkStatus();
}

absl::Status Agent::OpenLayers() {
  PADDOCK_ASSIGN_OR_RETURN(layers_, MakeLayerStore(flags_.paths.volumes()));
  if (flags_.layer_registry.empty()) return absl::OkStatus();
  local_layers_ = std::move(layers_);
  LayerRegistryOptions options;
  options.repository = flags_.layer_registry;
  options.flags = flags_.layer_registry_flags;
  options.scratch_dir = absl::StrCat(flags_.paths.volumes(), "/registry");
  layer_registry_ = std::make_unique<LayerRegistry>(std::move(options));
  layers_ = std::make_unique<PullingLayerStore>(local_layers_.get(), layer_registry_.get());
  return absl::OkStatus();
}

absl::Status Agent::OpenIsolation() {
  PADDOCK_ASSIGN_OR_RETURN(cgroups_, MakeCgroupManager(flags_.cgroup));
  PADDOCK_RETURN_IF_ERROR(cgroups_->Prepare(flags_.capacity));
  if (flags_.leave_cgroups) PADDOCK_RETURN_IF_ERROR(cgroups_->LeaveOwnCgroups());
  OciRuntimeOptions runtime;
  runtime.init_path = flags_.init_path;
  runtime.session_dirs = {flags_.paths.state()};
  runtime.search_dirs = flags_.runtime_dirs;
  PADDOCK_ASSIGN_OR_RETURN(runtimes_, MakeOciRuntimes(runtime, cgroups_.get()));
  PADDOCK_ASSIGN_OR_RETURN(gateway_, GatewayProcess::Start(flags_.Gateway()));
  PADDOCK_ASSIGN_OR_RETURN(NetworkPlan plan, NetworkPlan::Create(flags_.instance, flags_.subnet));
  NamespacePoolOptions pool{plan, flags_.Gateway().RouterNetns()};
  pool.uid_range_start = flags_.uid_base;
  pool.slots = flags_.max_sessions;
  pool.ready = flags_.ready_pairs;
  PADDOCK_ASSIGN_OR_RETURN(pool_, CreateNamespacePool(pool));
  return absl::OkStatus();
}

absl::Status Agent::OpenSessions() {
  resources_.paths = &flags_.paths;
  resources_.layers = layers_.get();
  resources_.volumes = volumes_.get();
  resources_.pool = pool_.get();
  resources_.gateway = gateway_->client();
  resources_.cgroups = cgroups_.get();
  resources_.runtimes[""] = runtimes_.standard.get();
  for (const auto& [name, found] : runtimes_.found) resources_.runtimes[name] = found.get();
  egress_archive_ = std::make_unique<EgressArchive>(flags_.paths.EgressDir());
  resources_.egress_archive = egress_archive_.get();
  resources_.base_image = base_image_;
  resources_.registry_hosts = flags_.registry_hosts;
  metrics_ = std::make_unique<SessionMetrics>(registry_);
  gauges_ = std::make_unique<NodeGauges>(*registry_);
  PADDOCK_ASSIGN_OR_RETURN(tombstones_,
                           TombstoneLog::Open(flags_.paths.TombstonesFile(), Clock::Real()->Now()));
  PADDOCK_ASSIGN_OR_RETURN(loop_, PollLoop::Create(kLoopThreads));
  SessionManagerOptions options;
  options.workers = flags_.workers;
  options.boot_id = boot_id_;
  prover_ = std::make_unique<RuntimeProver>(&resources_, boot_id_);
  start_health_ =
      std::make_unique<StartHealth>([this] { return prover_->Prove(runtimes_.standard->name()); });
  options.on_start_done = [this](const SessionStatus& status) {
    if (status.phase == SessionPhase::kRunning) start_health_->Started();
    if (status.reason == kReasonStartFailed) start_health_->Failed();
  };
  manager_ = std::make_unique<SessionManager>(options, &resources_, tombstones_.get(),
                                              metrics_.get(), Clock::Real());
  incidents_ = std::make_unique<IncidentMonitor>(manager_.get(), cgroups_.get(), volumes_.get());
  exec_executor_ = std::make_unique<SerialExecutor>(kExecWorkers);
  exec_clients_ = std::make_unique<ExecClients>(&resources_);
  execs_ = std::make_unique<ExecService>(
      manager_.get(), cgroups_.get(), loop_.get(), exec_executor_.get(),
      [this](const SessionRecord& record, const std::string& exec_id) {
        return exec_clients_->Make(record, exec_id);
      },
      incidents_.get(), metrics_.get(), Clock::Real());
  manager_->SetGoneListener([this](const std::string& id) {
    execs_->OnSessionGone(id);
    exec_clients_->OnSessionGone(id);
  });
  PADDOCK_RETURN_IF_ERROR(SweepBuilds(resources_));
  prover_->Sweep();
  SessionRestorer restorer(boot_id_, &resources_, tombstones_.get(), manager_.get());
  PADDOCK_ASSIGN_OR_RETURN(const SessionRestorer::Result found, restorer.Run(kSweepTimeout));
  LogInfo("sessions of the earlier agent", {{"adopted", found.adopted},
                                            {"ended", found.ended},
                                            {"half_made", found.half_made},
                                            {"rebooted", found.rebooted},
                                            {"orphans", found.orphans},
                                            {"loose_volumes", found.loose_volumes}});
  // With the slots of running sessions known, and before anybody can ask for one.
  ProveRuntimes();
  pool_->Start();
  PADDOCK_RETURN_IF_ERROR(OpenBuilds());
  egress_reader_ =
      std::make_unique<EgressReader>(manager_.get(), gateway_->client(), egress_archive_.get());
  egress_feed_ = std::make_unique<EgressFeed>(egress_reader_.get());
  housekeeper_ = std::make_unique<Housekeeper>(&resources_, manager_.get(), execs_.get(),
                                               incidents_.get(), gauges_.get());
  housekeeper_->AddChore([this] { collector_->Run(); });
  housekeeper_->AddChore([this] { start_health_->Check(); });
  housekeeper_->Run();
  housekeeper_->Start();
  return absl::OkStatus();
}

void Agent::ProveRuntimes() {
  resources_.refused_runtimes = runtimes_.missing;
  for (const auto& [name, runtime] : runtimes_.found) {
    const absl::Status proof = prover_->Prove(name);
    if (proof.ok()) continue;
    resources_.refused_runtimes[name] = std::string(proof.message());
    LogWarning("no session can have this runtime class",
               {{"runtime_class", name}, {"reason", proof.ToString()}});
  }
  for (const char* name : {"crun", "runc"}) {
    if (resources_.refused_runtimes.count(name) > 0) continue;
    runtimes_.standard = runtimes_.found[name];
    break;
  }
  resources_.runtimes[""] = runtimes_.standard.get();
}

absl::Status Agent::OpenBuilds() {
  BuildResources build;
  build_resources_ = resources_;
  build_resources_.egress_archive = nullptr;
  build.node = &build_resources_;
  build.loop = loop_.get();
  build.init_factory = [this](const std::string& sandbox_id) {
    return MakeInitClient(flags_.paths.InitSocket(sandbox_id));
  };
  build.clock = Clock::Real();
  if (layer_registry_ != nullptr) {
    build.on_built = [this](const Layer& layer) { PushLayer(layer); };
  }
  LayerBuilderOptions builds;
  builds.max_running = flags_.max_builds;
  build_metrics_ = std::make_unique<BuildMetrics>(*registry_);
  builder_ = std::make_unique<LayerBuilder>(builds, build, build_metrics_.get());
  int64_t budget = flags_.layers_bytes;
  if (budget == 0) {
    PADDOCK_ASSIGN_OR_RETURN(const VolumeStore::Usage disk, volumes_->GetFileSystemUsage());
    budget = disk.limit_bytes / 2;
  }
  collector_ = std::make_unique<LayerCollector>(layers_.get(), manager_.get(), builder_.get(),
                                                base_image_, budget);
  return absl::OkStatus();
}

void Agent::PushLayer(const Layer& layer) {
  // Nodes that lack it then can't have it; the layer is as good here.
  if (absl::Status pushed = layer_registry_->Push(layer); !pushed.ok()) {
    LogWarning("a layer can't be pushed to the registry",
               {{"digest", layer.digest}, {"error", pushed.ToString()}});
  }
}

absl::Status Agent::Serve() {
  rpc_metrics_ = std::make_unique<RpcMetrics>(registry_.get());
  service_ = std::make_unique<NodeAgentService>(manager_.get(), execs_.get(), builder_.get(),
                                                egress_feed_.get(), egress_archive_.get(),
                                                rpc_metrics_.get());
  GrpcServerOptions server;
  server.listen = flags_.listen;
  server.credentials = identity_->MutualServer();
  server.services = {service_.get()};
  server.channelz = true;
  PADDOCK_ASSIGN_OR_RETURN(server_, GrpcServer::Start(server));
  PADDOCK_ASSIGN_OR_RETURN(metrics_server_,
                           MetricsServer::Start(flags_.metrics_listen, {registry_}));
  server_->health().SetAll(true);
  return absl::OkStatus();
}

absl::StatusOr<NodeDescription> Agent::Describe() {
  PADDOCK_ASSIGN_OR_RETURN(const VolumeStore::Usage disk, volumes_->GetFileSystemUsage());
  NodeDescription description;
  internal::v1::RegisterRequest& request = description.registration;
  request.set_node_id(node_id_);
  request.set_name(flags_.name);
  request.set_address(flags_.address);
  request.set_epoch(epoch_);
  request.set_boot_id(boot_id_);
  internal::v1::NodeCapacity& capacity = *request.mutable_capacity();
  capacity.set_cpu_millis(flags_.capacity.cpu_millis);
  capacity.set_memory_bytes(flags_.capacity.memory_bytes);
  capacity.set_disk_bytes(flags_.capacity.disk_bytes > 0 ? flags_.capacity.disk_bytes
                                                         : disk.limit_bytes);
  capacity.set_sessions(flags_.max_sessions);
  request.mutable_labels()->insert(flags_.labels.begin(), flags_.labels.end());
  for (const auto& [name, runtime] : resources_.runtimes) {
    if (!name.empty() && resources_.refused_runtimes.count(name) == 0) {
      request.add_runtime_classes(name);
    }
  }
  request.set_base_image(base_image_);
  auto& details = *request.mutable_details();
  details["volumes"] = volumes_->backend();
  details["runtime"] = runtimes_.standard->name();
  details["kernel"] = KernelRelease();
  details["cgroups"] = PathExists("/sys/fs/cgroup/cgroup.controllers") ? "v2" : "v1";
  if (!flags_.node_object.empty()) details["kubernetes_node"] = flags_.node_object;
  for (const auto& [name, reason] : resources_.refused_runtimes) {
    details[absl::StrCat("runtime_", name)] = reason;
  }
  if (const auto stats = gateway_->client()->Stats(); stats.ok() && !stats->problems.empty()) {
    details["egress_problems"] = absl::StrJoin(stats->problems, "; ");
  }
  DescribeBuilds(&request);
  description.boot_time = BootTime;
  description.not_schedulable_reason = [this] {
    if (absl::Status health = gateway_->Health(); !health.ok()) {
      bool refused_file = absl::IsInvalidArgument(health);
      return absl::StrCat(refused_file ? "NETWORK_FILE_REFUSED: " : "GATEWAY_DOWN: ",
                          health.message());
    }
    if (std::string reason = OperatorsReason(flags_.not_schedulable_file); !reason.empty()) {
      return reason;
    }
    const std::string reason = housekeeper_->not_schedulable_reason();
    return reason.empty() ? start_health_->not_schedulable_reason() : reason;
  };
  description.images = [this] {
    const absl::StatusOr<std::vector<Layer>> layers = layers_->List();
    return layers.ok() ? WholeImages(*layers) : std::vector<std::string>();
  };
  return description;
}

void Agent::DescribeBuilds(internal::v1::RegisterRequest* request) {
  auto& details = *request->mutable_details();
  details["platform"] = Platform();
  details["builder_version"] = std::string(kBuilderVersion);
  if (const absl::StatusOr<Layer> base = layers_->Get(base_image_); base.ok()) {
    details["managers"] = absl::StrJoin(ManagersOf(*base), ",");
    details["ca_bundle"] = CaBundleDigest(*base);
  }
}

absl::Status Agent::Join(std::function<void()> on_superseded) {
  std::vector<std::unique_ptr<ControlPlaneClient::Stub>> replicas;
  for (const std::string& address : flags_.control_plane) {
    replicas.push_back(internal::v1::NodeRegistry::NewStub(
        grpc::CreateChannel(address, identity_->MutualChannel(kControlPlaneRole))));
  }
  PADDOCK_ASSIGN_OR_RETURN(NodeDescription description, Describe());
  control_plane_ = std::make_unique<ControlPlaneClient>(std::move(replicas), std::move(description),
                                                        manager_.get(), gateway_->client(),
                                                        metrics_.get(), std::move(on_superseded));
  manager_->SetChangeListener([this] { control_plane_->Wake(); });
  control_plane_->Start();
  LogInfo("node agent is up", {{"node_id", node_id_},
                               {"listen", flags_.listen},
                               {"volumes", volumes_->backend()},
                               {"runtime", runtimes_.standard->name()}});
  return absl::OkStatus();
}

}  // namespace paddock::nodeagent
