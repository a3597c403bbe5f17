#include "nodeagent/build/layer_builder.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/synchronization/notification.h"
#include "nodeagent/system/file.h"
#include "tests/fakes/nodeagent/fake_machine.h"

namespace paddock::nodeagent {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr absl::Duration kPatience = absl::Seconds(20);

std::string DigestOf(char c) { return absl::StrCat("sha256:", std::string(64, c)); }

Layer BaseLayer() {
  Layer layer;
  layer.digest = DigestOf('0');
  layer.root_dir = "/base";
  layer.environment = {"SSL_CERT_FILE=/ca"};
  return layer;
}

// What a command of a pretended sandbox does.
struct Script {
  std::string output;
  ExecExit exit;
};

class ScriptedExec : public ExecHandle {
 public:
  explicit ScriptedExec(const ExecExit& exit) : exit_(exit), fd_(eventfd(1, EFD_CLOEXEC)) {}
  int pid() const override { return 7; }
  absl::Status Signal(int) override { return absl::OkStatus(); }
  absl::Status Resize(int, int) override { return absl::OkStatus(); }
  int exit_fd() const override { return fd_.get(); }
  absl::StatusOr<ExecExit> TakeExit() override { return exit_; }

 private:
  const ExecExit exit_;
  const UniqueFd fd_;
};

// Never ends by itself.
class HangingExec : public ScriptedExec {
 public:
  HangingExec() : ScriptedExec(ExecExit{}), never_(eventfd(0, EFD_CLOEXEC)) {}
  int exit_fd() const override { return never_.get(); }

 private:
  const UniqueFd never_;
};

// Answers by the first script whose key is part of the command line; others succeed in silence.
class ScriptedInit : public InitClient {
 public:
  struct Plan {
    absl::Mutex mutex;
    std::map<std::string, Script> scripts ABSL_GUARDED_BY(mutex);
    std::string hang ABSL_GUARDED_BY(mutex);
    std::vector<std::string> commands ABSL_GUARDED_BY(mutex);
  };
  explicit ScriptedInit(Plan* plan) : plan_(plan) {}
  absl::StatusOr<std::unique_ptr<ExecHandle>> Exec(const ExecSpec& spec, int, ExecStreams* streams,
                                                   absl::Duration) override {
    absl::MutexLock lock(&plan_->mutex);
    const std::string line = absl::StrJoin(spec.command, " ");
    plan_->commands.push_back(line);
    Script script;
    for (const auto& [part, known] : plan_->scripts) {
      if (line.find(part) != std::string::npos) script = known;
    }
    for (UniqueFd* end : {&streams->stdout_read, &streams->stderr_read}) {
      int fds[2];
      EXPECT_EQ(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
      end->reset(fds[0]);
      UniqueFd writer(fds[1]);
      if (end == &streams->stdout_read) EXPECT_TRUE(WriteAll(writer.get(), script.output).ok());
    }
    int fds[2];
    EXPECT_EQ(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    const UniqueFd reader(fds[0]);
    streams->stdin_write.reset(fds[1]);
    if (!plan_->hang.empty() && line.find(plan_->hang) != std::string::npos) {
      return std::make_unique<HangingExec>();
    }
    return std::make_unique<ScriptedExec>(script.exit);
  }

 private:
  Plan* const plan_;
};

// Holds one base image and what is committed.
class SmallLayerStore : public LayerStore {
 public:
  absl::StatusOr<Layer> Get(const std::string& digest) override {
    absl::MutexLock lock(&mutex_);
    const auto found = layers_.find(digest);
    if (found == layers_.end()) return absl::NotFoundError(digest);
    return found->second;
  }
  absl::StatusOr<std::vector<Layer>> Chain(const std::string& digest) override {
    absl::StatusOr<Layer> layer = Get(digest);
    if (!layer.ok()) return layer.status();
    return std::vector<Layer>{*std::move(layer)};
  }
  absl::StatusOr<Layer> FindByKey(const std::string& key) override {
    absl::MutexLock lock(&mutex_);
    for (const auto& [digest, layer] : layers_) {
      if (layer.cache_key == key) return layer;
    }
    return absl::NotFoundError(key);
  }
  absl::StatusOr<std::vector<Layer>> List() override { return std::vector<Layer>(); }
  absl::StatusOr<std::string> Import(const std::string& archive) override { return archive; }
  absl::StatusOr<Layer> ImportLayer(const std::string&, const Layer& layer) override {
    return layer;
  }
  absl::StatusOr<Layer> Commit(const LayerDraft& draft) override {
    if (draft.cancelled()) return absl::CancelledError("");
    absl::MutexLock lock(&mutex_);
    if (!commit_error_.ok()) return commit_error_;
    Layer layer = draft.layer;
    layer.digest = DigestOf(static_cast<char>('a' + commits_++));
    layers_[layer.digest] = layer;
    return layer;
  }
  absl::StatusOr<std::vector<std::string>> Collect(int64_t, const std::set<std::string>&,
                                                   absl::Duration) override {
    return std::vector<std::string>();
  }
  absl::Status Sweep() override { return absl::OkStatus(); }
  void FailCommits(absl::Status status) {
    absl::MutexLock lock(&mutex_);
    commit_error_ = std::move(status);
  }
  int commits() const {
    absl::MutexLock lock(&mutex_);
    return commits_;
  }

 private:
  mutable absl::Mutex mutex_;
  std::map<std::string, Layer> layers_ ABSL_GUARDED_BY(mutex_) = {{DigestOf('0'), BaseLayer()}};
  int commits_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status commit_error_ ABSL_GUARDED_BY(mutex_);
};

// Hears one build.
class Listener : public BuildObserver {
 public:
  bool OnLogLine(std::string line, absl::Duration) override {
    lines.push_back(line);
    if (on_line) on_line(line);
    return true;
  }
  void OnBuilt(const Layer& built) override {
    layer = built;
    ended.Notify();
  }
  void OnFailure(const BuildFailure& why) override {
    failure = why;
    ended.Notify();
  }
  void OnError(const absl::Status& why) override {
    error = why;
    ended.Notify();
  }
  bool Wait() { return ended.WaitForNotificationWithTimeout(kPatience); }

  std::function<void(const std::string&)> on_line;
  std::vector<std::string> lines;
  Layer layer;
  BuildFailure failure;
  absl::Status error;
  absl::Notification ended;
};

class LayerBuilderTest : public ::testing::Test {
 protected:
  LayerBuilderTest() {
    char name[] = "/var/tmp/paddock-builder-XXXXXX";
    directory_ = mkdtemp(name);
    paths_ = std::make_unique<Paths>(directory_ + "/state", directory_ + "/volumes");
    machine_ = std::make_unique<FakeMachine>(paths_.get());
    node_ = machine_->NewAgent();
    node_.layers = &layers_;
    loop_ = *PollLoop::Create(1);
    BuildResources resources;
    resources.node = &node_;
    resources.loop = loop_.get();
    resources.clock = Clock::Real();
    resources.init_factory = [this](const std::string&) {
      return std::make_unique<ScriptedInit>(&plan_);
    };
    LayerBuilderOptions options;
    options.max_running = 2;
    options.max_waiting = 2;
    builder_ = std::make_unique<LayerBuilder>(options, resources, &metrics_);
  }
  ~LayerBuilderTest() override {
    builder_.reset();
    EXPECT_THAT(machine_->Things(), IsEmpty());
    RemoveTree(directory_).IgnoreError();
  }
  static BuildSpec Spec(const std::string& key, const std::string& manager = "pip") {
    BuildSpec spec;
    spec.cache_key = key;
    spec.base_image = DigestOf('0');
    spec.manager = manager;
    spec.specs = {"thing==1", "other"};
    spec.network.policy.kind = NetworkPolicy::Kind::kUnrestricted;
    spec.limits = SandboxLimits{1000, 1 << 30, 100, 1 << 30};
    spec.timeout = absl::Seconds(60);
    return spec;
  }
  void Set(const std::string& part, Script script) {
    absl::MutexLock lock(&plan_.mutex);
    plan_.scripts[part] = std::move(script);
  }
  void Hang(const std::string& part) {
    absl::MutexLock lock(&plan_.mutex);
    plan_.hang = part;
  }
  std::vector<std::string> Commands() {
    absl::MutexLock lock(&plan_.mutex);
    return plan_.commands;
  }
  absl::Status Start(const BuildSpec& spec, Listener* listener,
                     std::shared_ptr<BuildControl> control = std::make_shared<BuildControl>()) {
    return builder_->Start(spec, std::move(control), listener);
  }

  std::string directory_;
  std::unique_ptr<Paths> paths_;
  std::unique_ptr<FakeMachine> machine_;
  SmallLayerStore layers_;
  NodeResources node_;
  std::unique_ptr<PollLoop> loop_;
  ScriptedInit::Plan plan_;
  prometheus::Registry registry_;
  BuildMetrics metrics_{registry_};
  std::unique_ptr<LayerBuilder> builder_;
};

TEST_F(LayerBuilderTest, CommitsWhatItsCommandsMade) {
  Set("pip install", {"Collecting thing\nInstalled\n", {}});
  Listener listener;
  ASSERT_TRUE(Start(Spec("key"), &listener).ok());
  ASSERT_TRUE(listener.Wait());
  EXPECT_EQ(listener.layer.digest, DigestOf('a')) << listener.error << listener.failure.message;
  EXPECT_EQ(listener.layer.parent, DigestOf('0'));
  EXPECT_EQ(listener.layer.cache_key, "key");
  EXPECT_THAT(listener.lines, Contains("Installed"));
  EXPECT_THAT(Commands(), Contains("python3 -m pip install -- thing==1 other"));
}

TEST_F(LayerBuilderTest, TheFirstFailingCommandEndsItWithItsWords) {
  Set("pip install", {"ERROR: No matching distribution found for thing==1\n", {1, 0}});
  Set("pip download", {"ERROR: from versions: none\n", {1, 0}});
  Listener listener;
  ASSERT_TRUE(Start(Spec("key"), &listener).ok());
  ASSERT_TRUE(listener.Wait());
  EXPECT_EQ(listener.failure.reason, "INSTALL_FAILED");
  EXPECT_EQ(listener.failure.package, "thing==1");
  EXPECT_EQ(listener.failure.exit_code, 1);
  EXPECT_THAT(listener.failure.log_tail, HasSubstr("No matching distribution"));
  EXPECT_THAT(Commands(), ::testing::Not(Contains(HasSubstr("rm -rf"))));
  EXPECT_EQ(layers_.commits(), 0);
}

TEST_F(LayerBuilderTest, AnInterpreterThatDoesNotFitIsSaid) {
  Set("pip install", {"ERROR: Failed to build 'thing' when getting requirements\n", {1, 0}});
  Set("pip download", {"ERROR: No matching distribution (from versions: 2, 3)\n", {1, 0}});
  Set("--version", {"Python 3.13.5\n", {}});
  Listener listener;
  ASSERT_TRUE(Start(Spec("key"), &listener).ok());
  ASSERT_TRUE(listener.Wait());
  EXPECT_EQ(listener.failure.message,
            "thing==1 has no ready-made build for the image's Python 3.13.5, and building it from "
            "source failed");
}

TEST_F(LayerBuilderTest, AMissingManagerAndAFullDiskHaveTheirReasons) {
  Set("npm install", {"", {127, 0}});
  Listener missing;
  ASSERT_TRUE(Start(Spec("a", "npm"), &missing).ok());
  ASSERT_TRUE(missing.Wait());
  EXPECT_EQ(missing.failure.reason, "MANAGER_MISSING");
  Set("gem install", {"cp: error writing 'x': Disk quota exceeded\n", {1, 0}});
  Listener full;
  ASSERT_TRUE(Start(Spec("b", "gem"), &full).ok());
  ASSERT_TRUE(full.Wait());
  EXPECT_EQ(full.failure.reason, "DISK_FULL");
}

TEST_F(LayerBuilderTest, TimeIsBounded) {
  Hang("pip install");
  BuildSpec spec = Spec("key");
  spec.timeout = absl::Milliseconds(300);
  Listener listener;
  ASSERT_TRUE(Start(spec, &listener).ok());
  ASSERT_TRUE(listener.Wait());
  EXPECT_EQ(listener.failure.reason, "TIMED_OUT");
}

TEST_F(LayerBuilderTest, CancellingEndsWhatRunsAndWhatWaits) {
  Hang("pip install");
  const auto control = std::make_shared<BuildControl>();
  const auto waiting_control = std::make_shared<BuildControl>();
  Listener running, waiting;
  absl::Notification begun;
  running.on_line = [&begun](const std::string&) {
    if (!begun.HasBeenNotified()) begun.Notify();
  };
  ASSERT_TRUE(Start(Spec("key"), &running, control).ok());
  ASSERT_TRUE(begun.WaitForNotificationWithTimeout(kPatience));
  ASSERT_TRUE(Start(Spec("key"), &waiting, waiting_control).ok());
  EXPECT_THAT(builder_->ImagesInUse(), ElementsAre(DigestOf('0')));
  waiting_control->Cancel();
  ASSERT_TRUE(waiting.Wait());
  EXPECT_TRUE(absl::IsCancelled(waiting.error));
  EXPECT_FALSE(running.ended.HasBeenNotified());
  control->Cancel();
  ASSERT_TRUE(running.Wait());
  EXPECT_TRUE(absl::IsCancelled(running.error));
}

TEST_F(LayerBuilderTest, TheSecondForAKeyWaitsAndFindsTheFirst) {
  absl::Notification begun, go_on;
  Listener first, second;
  first.on_line = [&](const std::string&) {
    if (begun.HasBeenNotified()) return;
    begun.Notify();
    go_on.WaitForNotification();
  };
  ASSERT_TRUE(Start(Spec("key"), &first).ok());
  ASSERT_TRUE(begun.WaitForNotificationWithTimeout(kPatience));
  ASSERT_TRUE(Start(Spec("key"), &second).ok());
  EXPECT_EQ(builder_->running(), 1);
  go_on.Notify();
  ASSERT_TRUE(first.Wait() && second.Wait());
  EXPECT_EQ(second.layer.digest, first.layer.digest);
  EXPECT_THAT(second.lines, IsEmpty());
  EXPECT_EQ(layers_.commits(), 1);
}

TEST_F(LayerBuilderTest, SoManyWaitAndNoMore) {
  Hang("pip install");
  std::vector<std::unique_ptr<Listener>> listeners;
  std::vector<std::shared_ptr<BuildControl>> controls;
  for (int i = 0; i < 4; ++i) {
    listeners.push_back(std::make_unique<Listener>());
    controls.push_back(std::make_shared<BuildControl>());
    ASSERT_TRUE(Start(Spec(absl::StrCat("key", i)), listeners[i].get(), controls[i]).ok());
  }
  Listener refused;
  EXPECT_TRUE(absl::IsResourceExhausted(Start(Spec("key5"), &refused)));
  EXPECT_LE(builder_->running(), 2);
  for (const auto& control : controls) control->Cancel();
  for (const auto& listener : listeners) EXPECT_TRUE(listener->Wait());
}

TEST_F(LayerBuilderTest, FaultsOfTheNodeAreErrorsAndLeaveNothing) {
  machine_->FailCalls("runtime.Start", absl::InternalError("crun failed"));
  Listener listener;
  ASSERT_TRUE(Start(Spec("key"), &listener).ok());
  ASSERT_TRUE(listener.Wait());
  EXPECT_TRUE(absl::IsInternal(listener.error)) << listener.error;
  EXPECT_THAT(machine_->Things(), IsEmpty());
  machine_->ClearFailures();
  layers_.FailCommits(absl::ResourceExhaustedError("no space"));
  Listener full;
  ASSERT_TRUE(Start(Spec("key"), &full).ok());
  ASSERT_TRUE(full.Wait());
  EXPECT_EQ(full.failure.reason, "DISK_FULL");
}

TEST_F(LayerBuilderTest, RefusesWhatItCannotBuild) {
  Listener listener;
  EXPECT_TRUE(absl::IsInvalidArgument(Start(Spec(""), &listener)));
  EXPECT_TRUE(absl::IsInvalidArgument(Start(Spec("key", "yum"), &listener)));
  BuildSpec spec = Spec("key");
  spec.specs = {"--index-url=x"};
  EXPECT_TRUE(absl::IsInvalidArgument(Start(spec, &listener)));
  spec = Spec("key");
  spec.base_image = "../../etc";
  EXPECT_TRUE(absl::IsInvalidArgument(Start(spec, &listener)));
  spec = Spec("key");
  spec.limits.memory_bytes = 0;
  EXPECT_TRUE(absl::IsInvalidArgument(Start(spec, &listener)));
  builder_->Stop();
  EXPECT_FALSE(Start(Spec("key"), &listener).ok());
}

TEST_F(LayerBuilderTest, ARestartedAgentSweepsWhatBuildsLeft) {
  Hang("pip install");
  Listener listener;
  absl::Notification begun;
  listener.on_line = [&begun](const std::string&) {
    if (!begun.HasBeenNotified()) begun.Notify();
  };
  ASSERT_TRUE(Start(Spec("key"), &listener).ok());
  ASSERT_TRUE(begun.WaitForNotificationWithTimeout(kPatience));
  const FakeMachine::Snapshot crash = machine_->Take();
  builder_->Stop();
  machine_->GoBack(crash);
  const NodeResources next = machine_->NewAgent();
  ASSERT_TRUE(MakeDirectories(paths_->SessionDir(*crash.volumes.begin())).ok());
  EXPECT_FALSE(machine_->Things().empty());
  ASSERT_TRUE(SweepBuilds(next).ok());
  EXPECT_THAT(machine_->Things(), IsEmpty());
  EXPECT_THAT(*ListDirectory(paths_->SessionsDir()), IsEmpty());
}

}  // namespace
}  // namespace paddock::nodeagent
