#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "nodeagent/egress/gateway_client.h"
#include "nodeagent/image/layer_store.h"
#include "nodeagent/image/volume_store.h"
#include "nodeagent/net/namespace_pool.h"
#include "nodeagent/runtime/cgroup_manager.h"
#include "nodeagent/runtime/container_runtime.h"
#include "nodeagent/session/start_step.h"

namespace paddock::nodeagent {

// A pretended machine: what the kernel, the disk and the gateway process hold, apart from any
// agent. Agents come and go (`NewAgent`), it stays. Calls are counted and can be made to fail.
// Thread-safe.
class FakeMachine {
 public:
  explicit FakeMachine(const Paths* paths);
  ~FakeMachine();

  // The interfaces as a fresh agent process sees them: slots are free, pairs that nobody holds are
  // gone. What the last call returned stays valid.
  NodeResources NewAgent();

  // Every call named `call` ("volume.Create", "runtime.Start", …) fails, after its effect if
  // `after`, until it is cleared.
  void FailCalls(const std::string& call, absl::Status status, bool after = false);
  void ClearFailures();
  // Called at the begin of each call with its name, and after its effect with ".done" added; with
  // no lock held; may block.
  void SetHook(std::function<void(const std::string& call)> hook);

  // The container's PID 1 ends.
  void EndContainer(const std::string& session_id, const ContainerExit& exit);
  // What a session has used of its volume, and met of its cgroup's bounds.
  void SetVolumeUsage(const std::string& session_id, VolumeStore::Usage usage);
  void SetCgroupUsage(const std::string& session_id, CgroupUsage usage);
  // Everything but the disk is lost.
  void Reboot();

  // The machine as it is now, for going back to where an agent "died".
  struct Snapshot {
    std::set<std::string> volumes;
    std::map<std::string, GatewaySession> gateway;
    std::map<std::string, std::map<std::string, bool>> cgroups;
    std::map<std::string, RunningContainer> containers;
  };
  Snapshot Take() const;
  void GoBack(const Snapshot& snapshot);
  void AddExecCgroup(const std::string& session_id, const std::string& exec_id, bool populated);
  void Fence(const std::string& session_id);
  // The gateway has one event more of this session; the sequence is set here, from 1.
  void AddEgress(const std::string& session_id, EgressEvent event);

  // What is there, as "volume:…", "cgroup:…", "container:…", "gateway:…", "slot:…"; empty: nothing
  // is leaked.
  std::set<std::string> Things() const;
  std::vector<std::string> Calls() const;
  int StartsOf(const std::string& session_id) const;

 private:
  friend struct FakeVolumes;
  friend struct FakeLayers;
  friend struct FakePool;
  friend struct FakeGateway;
  friend struct FakeCgroups;
  friend struct FakeRuntime;
  struct Container {
    RunningContainer running;
    std::function<void(ContainerExit)> on_exit;
    bool alive = true;
    ContainerExit exit;
  };
  struct Agent;

  // Runs `act` as the call `name`, or fails.
  absl::Status Call(const std::string& name, const std::function<absl::Status()>& act);

  const Paths* const paths_;
  mutable absl::Mutex mutex_;
  std::map<std::string, std::pair<absl::Status, bool>> failures_ ABSL_GUARDED_BY(mutex_);
  std::function<void(const std::string&)> hook_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> calls_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> volumes_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, GatewaySession> gateway_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> fenced_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::vector<EgressEvent>> egress_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, VolumeStore::Usage> volume_usage_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, CgroupUsage> cgroup_usage_ ABSL_GUARDED_BY(mutex_);
  // By session: execs with and without processes.
  std::map<std::string, std::map<std::string, bool>> cgroups_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Container> containers_ ABSL_GUARDED_BY(mutex_);
  std::set<int> slots_ ABSL_GUARDED_BY(mutex_);  // As the current agent's pool has them.
  std::map<std::string, int> starts_ ABSL_GUARDED_BY(mutex_);
  int next_pid_ ABSL_GUARDED_BY(mutex_) = 1000;
  std::unique_ptr<Agent> agent_;
};

}  // namespace paddock::nodeagent
