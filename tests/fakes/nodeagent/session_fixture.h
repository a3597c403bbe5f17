#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "absl/synchronization/notification.h"
#include "nodeagent/session/session_manager.h"
#include "nodeagent/session/session_restorer.h"
#include "nodeagent/system/file.h"
#include "tests/fakes/nodeagent/fake_machine.h"

namespace paddock::nodeagent {

// A session manager on a pretended machine with a real state directory.
class SessionFixture : public ::testing::Test {
 protected:
  static constexpr absl::Duration kDeadline = absl::Seconds(30);
  static constexpr char kId[] = "sesn_01m84788jmcq47gswnbtbn29yc";

  // One Put, waited for later.
  class Waiter {
   public:
    Waiter(SessionManager* manager, const SessionSpec& spec) {
      const absl::Status status =
          manager->Put(spec, [state = state_](absl::StatusOr<SessionStatus> answer) {
            state->answer = std::move(answer);
            state->done.Notify();
          });
      if (status.ok()) return;
      state_->answer = status;
      state_->done.Notify();
    }
    absl::StatusOr<SessionStatus> Wait() {
      if (!state_->done.WaitForNotificationWithTimeout(kDeadline)) {
        return absl::DeadlineExceededError("no answer");
      }
      return state_->answer;
    }

   private:
    struct State {
      absl::Notification done;
      absl::StatusOr<SessionStatus> answer;
    };
    const std::shared_ptr<State> state_ = std::make_shared<State>();
  };

  // One Stop, waited for later.
  class StopWaiter {
   public:
    using Answer = absl::StatusOr<std::optional<SessionStatus>>;
    StopWaiter(SessionManager* manager, const std::string& id, int64_t generation) {
      const absl::Status status = manager->Stop(id, generation, [state = state_](Answer answer) {
        state->answer = std::move(answer);
        state->done.Notify();
      });
      if (status.ok()) return;
      state_->answer = status;
      state_->done.Notify();
    }
    Answer Wait() {
      if (!state_->done.WaitForNotificationWithTimeout(kDeadline)) {
        return absl::DeadlineExceededError("no answer");
      }
      return state_->answer;
    }

   private:
    struct State {
      absl::Notification done;
      Answer answer;
    };
    const std::shared_ptr<State> state_ = std::make_shared<State>();
  };

  SessionFixture() {
    char name[] = "/tmp/paddock-sessions-XXXXXX";
    EXPECT_NE(mkdtemp(name), nullptr);
    directory_ = name;
    paths_ = Paths(directory_ + "/state", directory_ + "/volumes");
    EXPECT_TRUE(MakeDirectories(paths_.SessionsDir()).ok());
    machine_ = std::make_unique<FakeMachine>(&paths_);
    Begin();
  }
  ~SessionFixture() override {
    machine_->SetHook(nullptr);
    End();
    EXPECT_TRUE(RemoveTree(directory_).ok());
  }

  FakeMachine& machine() { return *machine_; }
  SessionManager& manager() { return *manager_; }
  const NodeResources& resources() const { return resources_; }
  const Paths& paths() const { return paths_; }
  // Of the next agent.
  void set_registry_hosts(std::vector<std::string> hosts) { registry_hosts_ = std::move(hosts); }
  void set_egress_archive(EgressArchive* archive) { egress_archive_ = archive; }
  // Runtime classes that start no sessions; before the first of them.
  void RefuseRuntime(const std::string& runtime_class, const std::string& why) {
    resources_.runtimes[runtime_class] = resources_.runtimes[""];
    resources_.refused_runtimes[runtime_class] = why;
  }
  void set_boot_id(const std::string& boot_id) { boot_id_ = boot_id; }

  SessionSpec Spec(int64_t generation) const {
    SessionSpec spec;
    spec.session_id = kId;
    spec.generation = generation;
    spec.limits = {1000, 1 << 20, 10, 1 << 25, 100};
    spec.network.policy.kind = NetworkPolicy::Kind::kUnrestricted;
    return spec;
  }

  absl::StatusOr<SessionStatus> Put(const SessionSpec& spec) {
    return Waiter(manager_.get(), spec).Wait();
  }
  StopWaiter::Answer Stop(int64_t generation) {
    return StopWaiter(manager_.get(), kId, generation).Wait();
  }
  bool RecordExists() const { return PathExists(paths_.SessionDir(kId)); }

  // The agent's process ends.
  void End() {
    manager_.reset();
    tombstones_.reset();
  }
  void Begin() {
    resources_ = machine_->NewAgent();
    resources_.registry_hosts = registry_hosts_;
    resources_.gateway_patience = absl::Milliseconds(500);
    resources_.egress_archive = egress_archive_;
    auto tombstones = TombstoneLog::Open(paths_.TombstonesFile(), clock_.Now());
    ASSERT_TRUE(tombstones.ok()) << tombstones.status();
    tombstones_ = *std::move(tombstones);
    SessionManagerOptions options;
    options.workers = 4;
    options.boot_id = boot_id_;
    options.retry_initial = absl::Milliseconds(1);
    options.retry_maximum = absl::Milliseconds(5);
    manager_ = std::make_unique<SessionManager>(options, &resources_, tombstones_.get(), &metrics_,
                                                &clock_);
    SessionRestorer restorer(boot_id_, &resources_, tombstones_.get(), manager_.get());
    const auto result = restorer.Run(kDeadline);
    ASSERT_TRUE(result.ok()) << result.status();
    restored_ = *result;
  }
  // The agent is killed and started again.
  void NewAgent() {
    End();
    Begin();
  }

  const SessionRestorer::Result& restored() const { return restored_; }

  std::string directory_;
  int64_t generation_ = 0;

 private:
  Paths paths_{"", ""};
  std::string boot_id_ = "boot-1";
  std::optional<std::vector<std::string>> registry_hosts_;
  EgressArchive* egress_archive_ = nullptr;
  FakeClock clock_;
  SessionMetrics metrics_{std::make_shared<prometheus::Registry>()};
  std::unique_ptr<FakeMachine> machine_;
  NodeResources resources_;
  std::unique_ptr<TombstoneLog> tombstones_;
  std::unique_ptr<SessionManager> manager_;
  SessionRestorer::Result restored_;
};

}  // namespace paddock::nodeagent
