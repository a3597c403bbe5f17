#include "nodeagent/session/start_step.h"

#include "absl/strings/str_replace.h"
#include "nodeagent/session/container_step.h"
#include "nodeagent/session/image_step.h"
#include "nodeagent/session/namespaces_step.h"
#include "nodeagent/session/network_step.h"
#include "nodeagent/session/volume_step.h"

namespace paddock::nodeagent {

std::vector<std::unique_ptr<StartStep>> MakeStartSteps(const NodeResources* resources,
                                                       absl::Duration start_timeout,
                                                       absl::Duration destroy_timeout) {
  std::vector<std::unique_ptr<StartStep>> steps;
  steps.push_back(std::make_unique<ImageStep>(resources));
  steps.push_back(std::make_unique<VolumeStep>(resources));
  steps.push_back(std::make_unique<NamespacesStep>(resources));
  steps.push_back(std::make_unique<NetworkStep>(resources));
  steps.push_back(std::make_unique<ContainerStep>(resources, start_timeout, destroy_timeout));
  return steps;
}

ContainerRuntime* NodeResources::RuntimeOf(const SessionRecord& record) const {
  auto it = runtimes.find(record.runtime);
  // "" is the default of now, which the container may not have been started by.
  if (record.runtime.empty() || it == runtimes.end()) it = runtimes.find(record.spec.runtime_class);
  return it == runtimes.end() ? nullptr : it->second;
}

ContainerSpec DescribeContainer(const Paths& paths, const SessionRecord& record) {
  const std::string& id = record.spec.session_id;
  ContainerSpec spec;
  spec.session_id = id;
  spec.bundle_dir = paths.BundleDir(id);
  spec.runtime_root = paths.RuntimeRoot(id);
  spec.cgroup = id;
  spec.volume_dir = paths.SessionVolume(id);
  spec.volatile_upper = record.spec.on_node_loss == OnNodeLoss::kReschedule;
  spec.hostname = SandboxHostname(id);
  spec.etc_dir = paths.EtcDir(id);
  spec.init_socket = paths.InitSocket(id);
  spec.limits = record.spec.limits;
  if (record.pair.has_value()) spec.uid_base = record.pair->uid_base;
  return spec;
}

GatewaySession DescribeGatewaySession(const NodeResources& resources, const SessionRecord& record) {
  GatewaySession session;
  session.session_id = record.spec.session_id;
  session.generation = record.spec.generation;
  session.address = record.pair->address;
  session.router_veth = record.pair->router_veth;
  session.policy = record.Policy();
  session.fenced = record.spec.on_node_loss == OnNodeLoss::kReschedule;
  session.cgroup_directories = resources.cgroups->Directories(record.spec.session_id);
  return session;
}

std::string SandboxHostname(absl::string_view session_id) {
  return absl::StrReplaceAll(session_id, {{"_", "-"}});
}

}  // namespace paddock::nodeagent
