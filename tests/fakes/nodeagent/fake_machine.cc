#include "tests/fakes/nodeagent/fake_machine.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/fakes/nodeagent/fake_parts.h"

namespace paddock::nodeagent {

struct FakeMachine::Agent {
  explicit Agent(FakeMachine* machine)
      : volumes(machine),
        layers(machine),
        pool(machine),
        gateway(machine),
        cgroups(machine),
        runtime(machine) {}
  FakeVolumes volumes;
  FakeLayers layers;
  FakePool pool;
  FakeGateway gateway;
  FakeCgroups cgroups;
  FakeRuntime runtime;
};

FakeMachine::FakeMachine(const Paths* paths)
    : paths_(paths), agent_(std::make_unique<Agent>(this)) {}
FakeMachine::~FakeMachine() = default;

NodeResources FakeMachine::NewAgent() {
  {
    absl::MutexLock lock(&mutex_);
    slots_.clear();
    for (auto& [id, container] : containers_) container.on_exit = nullptr;
  }
  NodeResources resources;
  resources.paths = paths_;
  resources.layers = &agent_->layers;
  resources.volumes = &agent_->volumes;
  resources.pool = &agent_->pool;
  resources.gateway = &agent_->gateway;
  resources.cgroups = &agent_->cgroups;
  resources.runtimes[""] = &agent_->runtime;
  resources.base_image = "sha256:base";
  return resources;
}

void FakeMachine::AddEgress(const std::string& session_id, EgressEvent event) {
  absl::MutexLock lock(&mutex_);
  std::vector<EgressEvent>& events = egress_[session_id];
  event.sequence = static_cast<int64_t>(events.size()) + 1;
  events.push_back(std::move(event));
}

absl::Status FakeMachine::Call(const std::string& name, const std::function<absl::Status()>& act) {
  std::function<void(const std::string&)> hook;
  absl::Status failure;
  bool after = false;
  {
    absl::MutexLock lock(&mutex_);
    calls_.push_back(name);
    hook = hook_;
    const auto it = failures_.find(name);
    if (it != failures_.end()) std::tie(failure, after) = it->second;
  }
  if (hook) hook(name);
  if (!failure.ok() && !after) return failure;
  absl::Status status = act();
  if (hook) hook(name + ".done");
  return failure.ok() ? status : failure;
}

void FakeMachine::FailCalls(const std::string& call, absl::Status status, bool after) {
  absl::MutexLock lock(&mutex_);
  failures_[call] = {std::move(status), after};
}

void FakeMachine::ClearFailures() {
  absl::MutexLock lock(&mutex_);
  failures_.clear();
}

void FakeMachine::SetHook(std::function<void(const std::string&)> hook) {
  absl::MutexLock lock(&mutex_);
  hook_ = std::move(hook);
}

void FakeMachine::EndContainer(const std::string& session_id, const ContainerExit& exit) {
  std::function<void(ContainerExit)> on_exit;
  {
    absl::MutexLock lock(&mutex_);
    const auto it = containers_.find(session_id);
    if (it == containers_.end()) return;
    it->second.alive = false;
    it->second.exit = exit;
    on_exit = std::exchange(it->second.on_exit, nullptr);
  }
  if (on_exit) on_exit(exit);
}

void FakeMachine::Reboot() {
  absl::MutexLock lock(&mutex_);
  containers_.clear();
  cgroups_.clear();
  gateway_.clear();
  slots_.clear();
}

FakeMachine::Snapshot FakeMachine::Take() const {
  absl::MutexLock lock(&mutex_);
  Snapshot snapshot{volumes_, gateway_, cgroups_, {}};
  for (const auto& [id, container] : containers_) {
    if (container.alive) snapshot.containers[id] = container.running;
  }
  return snapshot;
}

void FakeMachine::GoBack(const Snapshot& snapshot) {
  absl::MutexLock lock(&mutex_);
  volumes_ = snapshot.volumes;
  gateway_ = snapshot.gateway;
  cgroups_ = snapshot.cgroups;
  containers_.clear();
  for (const auto& [id, running] : snapshot.containers) containers_[id].running = running;
}

void FakeMachine::AddExecCgroup(const std::string& session_id, const std::string& exec_id,
                                bool populated) {
  absl::MutexLock lock(&mutex_);
  cgroups_[session_id][exec_id] = populated;
}

void FakeMachine::SetVolumeUsage(const std::string& session_id, VolumeStore::Usage usage) {
  absl::MutexLock lock(&mutex_);
  volume_usage_[session_id] = usage;
}

void FakeMachine::SetCgroupUsage(const std::string& session_id, CgroupUsage usage) {
  absl::MutexLock lock(&mutex_);
  cgroup_usage_[session_id] = usage;
}

void FakeMachine::Fence(const std::string& session_id) {
  {
    absl::MutexLock lock(&mutex_);
    fenced_.insert(session_id);
  }
  EndContainer(session_id, ContainerExit{-1, 9, false});
}

std::set<std::string> FakeMachine::Things() const {
  absl::MutexLock lock(&mutex_);
  std::set<std::string> things;
  for (const std::string& id : volumes_) things.insert("volume:" + id);
  for (const auto& [id, session] : gateway_) things.insert("gateway:" + id);
  for (const auto& [id, execs] : cgroups_) {
    things.insert("cgroup:" + id);
    for (const auto& [exec, populated] : execs) things.insert(absl::StrCat("exec:", id, "/", exec));
  }
  for (const auto& [id, container] : containers_) things.insert("container:" + id);
  for (int slot : slots_) things.insert(absl::StrCat("slot:", slot));
  return things;
}

std::vector<std::string> FakeMachine::Calls() const {
  absl::MutexLock lock(&mutex_);
  return calls_;
}

int FakeMachine::StartsOf(const std::string& session_id) const {
  absl::MutexLock lock(&mutex_);
  const auto it = starts_.find(session_id);
  return it == starts_.end() ? 0 : it->second;
}

}  // namespace paddock::nodeagent
