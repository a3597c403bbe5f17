#include "nodeagent/agent_flags.h"

#include <unistd.h>

#include <climits>
#include <utility>

#include "absl/flags/flag.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/host_port.h"
#include "common/status_macros.h"
#include "nodeagent/image/registry_hosts.h"
#include "nodeagent/net/network_plan.h"
#include "nodeagent/system/machine.h"
#include "nodeagent/system/resolve.h"

ABSL_FLAG(std::string, state_dir, "/var/lib/paddock/node/state", "The agent's own state.");
ABSL_FLAG(std::string, volumes_dir, "/var/lib/paddock/node/volumes",
          "Where the file system with sessions and layers is, or will be, mounted.");
ABSL_FLAG(std::string, volumes_file, "",
          "Makes that file system in this preallocated file and mounts it.");
ABSL_FLAG(int64_t, volumes_bytes, int64_t{20} << 30, "Size of --volumes_file.");
ABSL_FLAG(std::string, volumes_device, "", "A block device instead of --volumes_file.");
ABSL_FLAG(std::string, name, "", "Name for people; default: the host's name.");
ABSL_FLAG(std::string, node_id, "",
          "The node's id, where something else than the agent gives it out (a cluster, with the "
          "certificate); default: made at the first start.");
ABSL_FLAG(std::string, node_object, "",
          "The Kubernetes Node object that stands for this machine: CLUSTER/NAME/UID. When it is "
          "gone while the agent is silent, the machine counts as gone.");
ABSL_FLAG(std::string, not_schedulable_file, "",
          "While this file isn't empty the node takes no new sessions; its first line says why.");
ABSL_FLAG(bool, leave_cgroups, false,
          "For an agent in a pod or service whose cgroup is removed with it: sessions get nothing "
          "of that cgroup.");
ABSL_FLAG(std::string, listen, "127.0.0.1:7501", "host:port of the agent's server.");
ABSL_FLAG(std::string, address, "", "host:port that replicas dial; default: --listen.");
ABSL_FLAG(std::string, metrics_listen, "127.0.0.1:7601", "host:port of /metrics.");
ABSL_FLAG(std::vector<std::string>, control_plane, {"127.0.0.1:7444"},
          "Internal addresses of the control plane's replicas.");
ABSL_FLAG(std::string, ca, "", "PEM file: the CA of control plane and agents.");
ABSL_FLAG(std::string, cert, "", "PEM file: this node's certificate.");
ABSL_FLAG(std::string, key, "", "PEM file: its key.");
ABSL_FLAG(std::string, base_image, "",
          "Archive of the base image, or a layer's digest; imported at start if it isn't there.");
ABSL_FLAG(std::string, instance, "0", "Tells agents of one machine apart; [a-z0-9-], at most 10.");
ABSL_FLAG(std::string, subnet, "10.201.0.0/16", "Addresses of this agent's sandboxes.");
ABSL_FLAG(uint32_t, uid_base, 0x70000000, "First id of the sandboxes' user namespaces.");
ABSL_FLAG(int, max_sessions, 2000, "Sessions at once.");
ABSL_FLAG(std::string, cgroup, "paddock/0",
          "Subtree of all sessions, below each hierarchy's root.");
ABSL_FLAG(int64_t, capacity_cpu_millis, 0, "Of all sessions; 0: the machine's.");
ABSL_FLAG(int64_t, capacity_memory_bytes, 0, "Of all sessions; 0: the machine's.");
ABSL_FLAG(int64_t, capacity_disk_bytes, 0, "Of all sessions; 0: the volumes' file system.");
ABSL_FLAG(std::string, init, "", "Program for PID 1; default: paddock-init beside the executable.");
ABSL_FLAG(std::vector<std::string>, runtime_dirs,
          std::vector<std::string>({"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin"}),
          "Where crun, runc and runsc are looked for.");
ABSL_FLAG(std::vector<std::string>, labels, {}, "key=value, for the scheduler.");
ABSL_FLAG(int, ready_pairs, 16, "Namespace pairs that are kept made ahead.");
ABSL_FLAG(int, workers, 16, "Sessions that are started or removed at once.");
ABSL_FLAG(int64_t, layers_bytes, 0,
          "Budget of disk for package layers; 0: half of the volumes' file system.");
ABSL_FLAG(std::string, layer_registry, "",
          "host[:port]/name in an OCI registry: package layers are pushed there after a build and "
          "pulled by nodes that lack them.");
ABSL_FLAG(std::vector<std::string>, layer_registry_flags, {},
          "Flags of skopeo-copy(1) for it, such as --authfile=FILE.");
ABSL_FLAG(int, max_builds, 2, "Package layers that are built at once; more wait.");
ABSL_FLAG(
    std::vector<std::string>, blocked, {},
    "Addresses or networks that no sandbox may reach, beside the built-in ranges; for example "
    "the database.");
ABSL_FLAG(std::vector<std::string>, registry_hosts, {},
          "Package registries that allow_package_managers permits; default: those that the image's "
          "layers name.");
ABSL_FLAG(std::string, resolv_conf, "/etc/resolv.conf",
          "Names the resolvers that sandboxes' names are asked of.");
ABSL_FLAG(std::string, blocklist, "", "The operator's blocklist file, re-read when it changes.");

namespace paddock::nodeagent {
namespace {

// Of the kernel's process numbers, what all sessions together may have.
constexpr double kPidShare = 0.8;

std::string HostName() {
  char name[HOST_NAME_MAX + 1] = {};
  return gethostname(name, sizeof(name) - 1) == 0 ? name : "node";
}

std::string BesideExecutable(absl::string_view name) {
  char path[PATH_MAX] = {};
  const ssize_t size = readlink("/proc/self/exe", path, sizeof(path) - 1);
  const absl::string_view self(path, size > 0 ? static_cast<size_t>(size) : 0);
  return absl::StrCat(self.substr(0, self.rfind('/') + 1), name);
}

absl::StatusOr<std::map<std::string, std::string>> Labels() {
  std::map<std::string, std::string> labels;
  for (const std::string& label : absl::GetFlag(FLAGS_labels)) {
    const std::pair<std::string, std::string> parts =
        absl::StrSplit(label, absl::MaxSplits('=', 1));
    if (parts.first.empty()) return absl::InvalidArgumentError("--labels: want key=value");
    labels.insert(parts);
  }
  return labels;
}

SandboxLimits Capacity() {
  SandboxLimits capacity;
  capacity.cpu_millis = absl::GetFlag(FLAGS_capacity_cpu_millis);
  if (capacity.cpu_millis <= 0) capacity.cpu_millis = MachineCpuMillis();
  capacity.memory_bytes = absl::GetFlag(FLAGS_capacity_memory_bytes);
  if (capacity.memory_bytes <= 0) capacity.memory_bytes = MachineMemoryBytes();
  capacity.disk_bytes = absl::GetFlag(FLAGS_capacity_disk_bytes);
  capacity.pids = static_cast<int64_t>(kPidShare * static_cast<double>(MachinePidMax()));
  return capacity;
}

// Sandboxes must not reach the control plane; a name that doesn't resolve now is no reason not to
// start, the built-in ranges hold either way.
void AddControlPlane(const std::vector<std::string>& addresses, std::vector<std::string>* blocked) {
  for (const std::string& address : addresses) {
    for (const std::string& ip : ResolveHost(address.substr(0, address.rfind(':')))) {
      blocked->push_back(ip);
    }
  }
}

}  // namespace

GatewayOptions AgentFlags::Gateway() const {
  GatewayOptions options;
  options.directory = paths.GatewayDir();
  options.instance = instance;
  options.subnet = subnet;
  options.blocked = blocked;
  options.operator_file = operator_file;
  options.resolv_conf = resolv_conf;
  return options;
}

std::string StateDirFlag() { return absl::GetFlag(FLAGS_state_dir); }

absl::StatusOr<AgentFlags> ReadAgentFlags() {
  AgentFlags flags;
  for (const auto& [name, value] : {std::pair("--state_dir", absl::GetFlag(FLAGS_state_dir)),
                                    std::pair("--volumes_dir", absl::GetFlag(FLAGS_volumes_dir))}) {
    if (!absl::StartsWith(value, "/")) {
      return absl::InvalidArgumentError(absl::StrCat(name, ": want an absolute path"));
    }
  }
  flags.paths = Paths(absl::GetFlag(FLAGS_state_dir), absl::GetFlag(FLAGS_volumes_dir));
  flags.volumes_file = absl::GetFlag(FLAGS_volumes_file);
  flags.volumes_bytes = absl::GetFlag(FLAGS_volumes_bytes);
  flags.volumes_device = absl::GetFlag(FLAGS_volumes_device);
  flags.name = absl::GetFlag(FLAGS_name).empty() ? HostName() : absl::GetFlag(FLAGS_name);
  flags.node_id = absl::GetFlag(FLAGS_node_id);
  flags.node_object = absl::GetFlag(FLAGS_node_object);
  flags.not_schedulable_file = absl::GetFlag(FLAGS_not_schedulable_file);
  flags.leave_cgroups = absl::GetFlag(FLAGS_leave_cgroups);
  flags.listen = BracketIpv6(absl::GetFlag(FLAGS_listen));
  flags.address = absl::GetFlag(FLAGS_address).empty() ? flags.listen
                                                       : BracketIpv6(absl::GetFlag(FLAGS_address));
  flags.metrics_listen = BracketIpv6(absl::GetFlag(FLAGS_metrics_listen));
  flags.control_plane = absl::GetFlag(FLAGS_control_plane);
  if (flags.control_plane.empty()) return absl::InvalidArgumentError("--control_plane: missing");
  flags.tls = {absl::GetFlag(FLAGS_ca), absl::GetFlag(FLAGS_cert), absl::GetFlag(FLAGS_key)};
  flags.base_image = absl::GetFlag(FLAGS_base_image);
  flags.instance = absl::GetFlag(FLAGS_instance);
  flags.subnet = absl::GetFlag(FLAGS_subnet);
  PADDOCK_ASSIGN_OR_RETURN(const NetworkPlan plan,
                           NetworkPlan::Create(flags.instance, flags.subnet));
  flags.uid_base = absl::GetFlag(FLAGS_uid_base);
  flags.max_sessions = absl::GetFlag(FLAGS_max_sessions);
  if (flags.max_sessions < 1 || flags.max_sessions > plan.MaxSlots()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--max_sessions: 1 to ", plan.MaxSlots(), " for this --subnet"));
  }
  flags.cgroup = absl::GetFlag(FLAGS_cgroup);
  flags.capacity = Capacity();
  flags.init_path = absl::GetFlag(FLAGS_init).empty() ? BesideExecutable("paddock-init")
                                                      : absl::GetFlag(FLAGS_init);
  flags.runtime_dirs = absl::GetFlag(FLAGS_runtime_dirs);
  PADDOCK_ASSIGN_OR_RETURN(flags.labels, Labels());
  flags.ready_pairs = absl::GetFlag(FLAGS_ready_pairs);
  flags.workers = absl::GetFlag(FLAGS_workers);
  flags.layer_registry = absl::GetFlag(FLAGS_layer_registry);
  flags.layer_registry_flags = absl::GetFlag(FLAGS_layer_registry_flags);
  flags.layers_bytes = absl::GetFlag(FLAGS_layers_bytes);
  flags.max_builds = absl::GetFlag(FLAGS_max_builds);
  if (flags.max_builds < 1 || flags.max_builds > 64) {
    return absl::InvalidArgumentError("--max_builds: 1 to 64");
  }
  if (flags.workers < 1 || flags.workers > 256) {
    return absl::InvalidArgumentError("--workers: 1 to 256");
  }
  flags.blocked = absl::GetFlag(FLAGS_blocked);
  AddControlPlane(flags.control_plane, &flags.blocked);
  flags.operator_file = absl::GetFlag(FLAGS_blocklist);
  flags.resolv_conf = absl::GetFlag(FLAGS_resolv_conf);
  absl::StatusOr<std::vector<std::string>> registries =
      CheckRegistryHosts(absl::GetFlag(FLAGS_registry_hosts));
  if (!registries.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--registry_hosts: ", registries.status().message()));
  }
  if (!registries->empty()) flags.registry_hosts = *std::move(registries);
  return flags;
}

}  // namespace paddock::nodeagent
