#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nodeagent/egress/gateway_client.h"
#include "nodeagent/image/layer_store.h"
#include "nodeagent/image/volume_store.h"
#include "nodeagent/net/namespace_pool.h"
#include "nodeagent/runtime/cgroup_manager.h"
#include "nodeagent/runtime/container_runtime.h"
#include "nodeagent/session/egress_archive.h"
#include "nodeagent/session/session_record.h"
#include "nodeagent/system/paths.h"

namespace paddock::nodeagent {

// What sessions are made of on this node. Not owned.
struct NodeResources {
  const Paths* paths = nullptr;
  LayerStore* layers = nullptr;
  VolumeStore* volumes = nullptr;
  NamespacePool* pool = nullptr;
  GatewayClient* gateway = nullptr;
  CgroupManager* cgroups = nullptr;
  // By runtime class; "" is the node's default.
  std::map<std::string, ContainerRuntime*> runtimes;
  // Of them, those that start no new sessions, with the exact reason.
  std::map<std::string, std::string> refused_runtimes;
  EgressArchive* egress_archive = nullptr;  // None: the events of ended sessions aren't kept.
  std::string base_image;  // Digest of the layer that sessions without packages start from.
  // Set by the operator: these are the registries, whatever the layers name.
  std::optional<std::vector<std::string>> registry_hosts;
  // How long a start waits for a gateway process that doesn't answer: it is being started again.
  absl::Duration gateway_patience = absl::Seconds(3);

  // The runtime of a session's container, or of the one that it would get; null when it is gone.
  ContainerRuntime* RuntimeOf(const SessionRecord& record) const;
};

// What one start hands from step to step; lost with the process.
struct StartContext {
  SessionRecord record;  // Steps write what must outlive the process here.
  NamespacePair pair;    // Holds the descriptors until the container has them.
  ContainerSpec container;
};

// One step of a session's start, with the way back. Steps run in order on the session's worker;
// after each one the manager persists the record before the next acts. Steps hold no state of a
// session, so any of them can undo what an earlier process did. Thread-safe.
class StartStep {
 public:
  virtual ~StartStep() = default;
  // Also the label of its duration.
  virtual absl::string_view name() const = 0;
  // Whether Do puts into the record what can't be found again by the session's id.
  virtual bool ChangesRecord() const { return false; }
  virtual absl::Status Do(StartContext& context) = 0;
  // Removes what Do made or began to make, also in an earlier process. OK when nothing is there. On
  // an error everything is undone again later, from the last step on.
  virtual absl::Status Undo(const SessionRecord& record, bool keep_volume) = 0;
  // After every Undo, when the record on disk no longer names what this step made: gives it back,
  // so that others may have it.
  virtual absl::Status GiveBack(const SessionRecord& record) { return absl::OkStatus(); }
};

// image, volume, namespaces, network, container.
std::vector<std::unique_ptr<StartStep>> MakeStartSteps(const NodeResources* resources,
                                                       absl::Duration start_timeout,
                                                       absl::Duration destroy_timeout);

// The part of a container's description that follows from the record alone: enough to destroy it.
ContainerSpec DescribeContainer(const Paths& paths, const SessionRecord& record);

// What the gateway process is told of a session that has its pair.
GatewaySession DescribeGatewaySession(const NodeResources& resources, const SessionRecord& record);

// Host name of a session's sandbox: its id with hyphens.
std::string SandboxHostname(absl::string_view session_id);

}  // namespace paddock::nodeagent
