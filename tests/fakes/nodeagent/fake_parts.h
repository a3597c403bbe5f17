// What agents see of a FakeMachine: one part an interface, without state of its own but what an
// agent process has. Used by fake_machine.cc alone.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "tests/fakes/nodeagent/fake_machine.h"

namespace paddock::nodeagent {

struct FakeVolumes : VolumeStore {
  explicit FakeVolumes(FakeMachine* m) : machine(m) {}
  std::string backend() const override { return "fake"; }
  absl::StatusOr<std::string> Create(const std::string& id, int64_t bytes) override {
    PADDOCK_RETURN_IF_ERROR(machine->Call("volume.Create", [&] {
      absl::MutexLock lock(&machine->mutex_);
      machine->volumes_.insert(id);
      return absl::OkStatus();
    }));
    return machine->paths_->SessionVolume(id);
  }
  absl::Status Destroy(const std::string& id) override {
    return machine->Call("volume.Destroy", [&] {
      absl::MutexLock lock(&machine->mutex_);
      machine->volumes_.erase(id);
      return absl::OkStatus();
    });
  }
  absl::StatusOr<std::vector<std::string>> List() override {
    absl::MutexLock lock(&machine->mutex_);
    return std::vector<std::string>(machine->volumes_.begin(), machine->volumes_.end());
  }
  absl::StatusOr<Usage> GetUsage(const std::string& id) override {
    absl::MutexLock lock(&machine->mutex_);
    const auto it = machine->volume_usage_.find(id);
    return it != machine->volume_usage_.end() ? it->second : Usage{0, 1 << 30};
  }
  absl::StatusOr<Usage> GetFileSystemUsage() override { return Usage{0, int64_t{1} << 40}; }
  FakeMachine* const machine;
};

struct FakeLayers : LayerStore {
  explicit FakeLayers(FakeMachine* m) : machine(m) {}
  absl::StatusOr<Layer> Get(const std::string& digest) override {
    PADDOCK_RETURN_IF_ERROR(machine->Call("layer.Get", [] { return absl::OkStatus(); }));
    if (digest != "sha256:base") return absl::NotFoundError(digest);
    return Layer{digest, "/base", {"PATH=/bin"}, {"index.example"}};
  }
  absl::StatusOr<std::vector<Layer>> Chain(const std::string& digest) override {
    PADDOCK_ASSIGN_OR_RETURN(Layer layer, Get(digest));
    return std::vector<Layer>{std::move(layer)};
  }
  absl::StatusOr<Layer> FindByKey(const std::string& cache_key) override {
    return absl::NotFoundError(cache_key);
  }
  absl::StatusOr<Layer> ImportLayer(const std::string&, const Layer& layer) override {
    return layer;
  }
  absl::StatusOr<Layer> Commit(const LayerDraft& draft) override {
    return absl::UnimplementedError("this machine builds nothing");
  }
  absl::StatusOr<std::vector<std::string>> Collect(int64_t, const std::set<std::string>&,
                                                   absl::Duration) override {
    return std::vector<std::string>();
  }
  absl::StatusOr<std::vector<Layer>> List() override { return std::vector<Layer>(); }
  absl::StatusOr<std::string> Import(const std::string& archive) override { return archive; }
  absl::Status Sweep() override { return absl::OkStatus(); }
  FakeMachine* const machine;
};

struct FakePool : NamespacePool {
  explicit FakePool(FakeMachine* m) : machine(m) {}
  absl::StatusOr<NamespacePair> Acquire() override {
    NamespacePair pair;
    PADDOCK_RETURN_IF_ERROR(machine->Call("pool.Acquire", [&] {
      absl::MutexLock lock(&machine->mutex_);
      int index = 0;
      while (machine->slots_.count(index) > 0) ++index;
      machine->slots_.insert(index);
      pair.index = index;
      return absl::OkStatus();
    }));
    pair.uid_base = 65536 * (pair.index + 1);
    pair.address = absl::StrCat("10.0.0.", pair.index + 16);
    pair.gateway = "10.0.0.3";
    pair.router_veth = absl::StrCat("s", pair.index);
    return pair;
  }
  absl::Status Adopt(int index) override {
    absl::MutexLock lock(&machine->mutex_);
    return machine->slots_.insert(index).second ? absl::OkStatus()
                                                : absl::AlreadyExistsError("slot");
  }
  absl::Status Release(int index) override {
    return machine->Call("pool.Release", [&] {
      absl::MutexLock lock(&machine->mutex_);
      machine->slots_.erase(index);
      return absl::OkStatus();
    });
  }
  absl::Status Sweep() override { return absl::OkStatus(); }
  void Start() override {}
  FakeMachine* const machine;
};

struct FakeGateway : GatewayClient {
  explicit FakeGateway(FakeMachine* m) : machine(m) {}
  absl::Status PutSession(const GatewaySession& session) override {
    return machine->Call("gateway.Put", [&] {
      absl::MutexLock lock(&machine->mutex_);
      machine->gateway_[session.session_id] = session;
      return absl::OkStatus();
    });
  }
  absl::Status RemoveSession(const std::string& session_id) override {
    return machine->Call("gateway.Remove", [&] {
      absl::MutexLock lock(&machine->mutex_);
      machine->gateway_.erase(session_id);
      return absl::OkStatus();
    });
  }
  absl::StatusOr<std::vector<GatewaySession>> ListSessions() override {
    absl::MutexLock lock(&machine->mutex_);
    std::vector<GatewaySession> sessions;
    for (const auto& [id, session] : machine->gateway_) sessions.push_back(session);
    return sessions;
  }
  absl::Status RenewFence(absl::Duration sent_at, absl::Duration fence_after) override {
    return machine->Call("gateway.RenewFence", [] { return absl::OkStatus(); });
  }
  absl::StatusOr<std::vector<std::string>> ListFenced() override {
    absl::MutexLock lock(&machine->mutex_);
    return std::vector<std::string>(machine->fenced_.begin(), machine->fenced_.end());
  }
  absl::StatusOr<GatewayStats> Stats() override { return GatewayStats(); }
  absl::StatusOr<EgressPage> ListEgress(const std::string& session_id, int64_t after_sequence,
                                        int limit) override {
    absl::MutexLock lock(&machine->mutex_);
    if (machine->gateway_.count(session_id) == 0) return absl::NotFoundError(session_id);
    EgressPage page;
    for (const EgressEvent& event : machine->egress_[session_id]) {
      if (event.sequence <= after_sequence) continue;
      page.more = static_cast<int>(page.events.size()) >= limit;
      if (page.more) break;
      page.events.push_back(event);
    }
    return page;
  }
  FakeMachine* const machine;
};

struct FakeCgroups : CgroupManager {
  explicit FakeCgroups(FakeMachine* m) : machine(m) {}
  static std::pair<std::string, std::string> Split(const std::string& name) {
    const size_t slash = name.find("/exec-");
    if (slash == std::string::npos) return {name, ""};
    return {name.substr(0, slash), name.substr(slash + 6)};
  }
  absl::Status Prepare(const SandboxLimits& capacity) override { return absl::OkStatus(); }
  absl::Status Create(const std::string& name, const SandboxLimits& limits) override {
    absl::MutexLock lock(&machine->mutex_);
    machine->cgroups_[name];
    return absl::OkStatus();
  }
  absl::StatusOr<int> CreateExec(const std::string& session, const std::string& exec) override {
    PADDOCK_RETURN_IF_ERROR(machine->Call("cgroup.CreateExec", [&] {
      absl::MutexLock lock(&machine->mutex_);
      machine->cgroups_[session][exec] = true;
      return absl::OkStatus();
    }));
    return -1;
  }
  absl::Status Kill(const std::string& name, absl::Duration timeout) override {
    return machine->Call("cgroup.Kill", [&] {
      absl::MutexLock lock(&machine->mutex_);
      const auto [session, exec] = Split(name);
      if (machine->cgroups_.count(session) == 0) return absl::OkStatus();
      auto& execs = machine->cgroups_[session];
      if (exec.empty()) {
        for (auto& [id, populated] : execs) populated = false;
        machine->containers_.erase(session);
      } else if (execs.count(exec) > 0) {
        execs[exec] = false;
      }
      return absl::OkStatus();
    });
  }
  absl::Status Remove(const std::string& name) override {
    return machine->Call("cgroup.Remove", [&]() -> absl::Status {
      absl::MutexLock lock(&machine->mutex_);
      const auto [session, exec] = Split(name);
      const auto it = machine->cgroups_.find(session);
      if (it == machine->cgroups_.end()) return absl::OkStatus();
      if (exec.empty()) {
        machine->cgroups_.erase(it);
      } else if (it->second.count(exec) > 0 && it->second[exec]) {
        return absl::FailedPreconditionError("not empty");
      } else {
        it->second.erase(exec);
      }
      return absl::OkStatus();
    });
  }
  bool IsEmpty(const std::string& name) override {
    absl::MutexLock lock(&machine->mutex_);
    const auto [session, exec] = Split(name);
    const auto it = machine->cgroups_.find(session);
    return it == machine->cgroups_.end() || it->second.count(exec) == 0 || !it->second[exec];
  }
  absl::StatusOr<std::vector<std::string>> ListExecs(const std::string& session) override {
    absl::MutexLock lock(&machine->mutex_);
    std::vector<std::string> execs;
    const auto it = machine->cgroups_.find(session);
    if (it == machine->cgroups_.end()) return execs;
    for (const auto& [exec, populated] : it->second) execs.push_back(exec);
    return execs;
  }
  absl::StatusOr<std::vector<std::string>> List() override {
    absl::MutexLock lock(&machine->mutex_);
    std::vector<std::string> names;
    for (const auto& [name, execs] : machine->cgroups_) names.push_back(name);
    return names;
  }
  absl::StatusOr<CgroupUsage> Usage(const std::string& name) override {
    absl::MutexLock lock(&machine->mutex_);
    const auto it = machine->cgroup_usage_.find(name);
    return it != machine->cgroup_usage_.end() ? it->second : CgroupUsage();
  }
  std::vector<std::string> Directories(const std::string& name) override {
    return {absl::StrCat("/cgroup/", name)};
  }
  FakeMachine* const machine;
};

struct FakeRuntime : ContainerRuntime {
  explicit FakeRuntime(FakeMachine* m) : machine(m) {}
  std::string name() const override { return "fake"; }
  absl::StatusOr<RunningContainer> Start(const ContainerSpec& spec,
                                         absl::Duration timeout) override {
    RunningContainer running;
    PADDOCK_RETURN_IF_ERROR(machine->Call("runtime.Start", [&] {
      absl::MutexLock lock(&machine->mutex_);
      running.pid = machine->next_pid_++;
      running.start_time = 7;
      machine->cgroups_[spec.session_id];
      machine->containers_[spec.session_id].running = running;
      ++machine->starts_[spec.session_id];
      return absl::OkStatus();
    }));
    return running;
  }
  bool IsAlive(const RunningContainer& container) override {
    absl::MutexLock lock(&machine->mutex_);
    for (const auto& [id, other] : machine->containers_) {
      if (other.running.pid == container.pid) return other.alive;
    }
    return false;
  }
  void WatchExit(const RunningContainer& container, const std::string& cgroup,
                 std::function<void(ContainerExit)> on_exit) override {
    ContainerExit exit;
    {
      absl::MutexLock lock(&machine->mutex_);
      auto& mine = machine->containers_[cgroup];
      if (mine.alive) {
        mine.on_exit = std::move(on_exit);
        return;
      }
      exit = mine.exit;
    }
    on_exit(exit);
  }
  absl::Status Destroy(const ContainerSpec& spec, absl::Duration timeout) override {
    return machine->Call("runtime.Destroy", [&] {
      absl::MutexLock lock(&machine->mutex_);
      machine->containers_.erase(spec.session_id);
      machine->cgroups_.erase(spec.session_id);
      return absl::OkStatus();
    });
  }
  FakeMachine* const machine;
};

}  // namespace paddock::nodeagent
