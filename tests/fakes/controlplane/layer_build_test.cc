#include "controlplane/core/layer_build.h"

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/ids.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/controlplane/fake_environment_store.h"
#include "tests/fakes/controlplane/fake_image_store.h"
#include "tests/fakes/controlplane/fake_watch_hub.h"

namespace paddock {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

// Runs what it is given when the test says so.
class ManualExecutor : public Executor {
 public:
  void Run(std::function<void()> task) override { tasks_.push_back(std::move(task)); }
  void RunAll() {
    while (!tasks_.empty()) {
      const std::function<void()> task = std::move(tasks_.front());
      tasks_.pop_front();
      task();
    }
  }

 private:
  std::deque<std::function<void()>> tasks_;
};

class ManualTimers : public Timers {
 public:
  explicit ManualTimers(FakeClock* clock) : clock_(clock) {}
  void After(absl::Duration delay, std::function<void()> task) override {
    tasks_.emplace(clock_->Monotonic() + delay, std::move(task));
  }
  void RunDue() {
    while (!tasks_.empty() && tasks_.begin()->first <= clock_->Monotonic()) {
      const std::function<void()> task = std::move(tasks_.begin()->second);
      tasks_.erase(tasks_.begin());
      task();
    }
  }

 private:
  FakeClock* const clock_;
  std::multimap<absl::Duration, std::function<void()>> tasks_;
};

// One build, which the test drives.
class ManualClient : public NodeClient {
 public:
  class Call : public NodeCall {
   public:
    explicit Call(int* cancels) : cancels_(cancels) {}
    void Cancel() override { ++*cancels_; }

   private:
    int* const cancels_;
  };

  void PutSession(const NodeTarget&, const SessionSpec&, int64_t, absl::Duration,
                  PutCallback) override {}
  void StopSession(const NodeTarget&, const SessionStop&, absl::Duration, StopCallback) override {}
  std::shared_ptr<NodeCall> BuildLayer(const NodeTarget&, const LayerOrder&, absl::Duration,
                                       LineCallback on_line, BuildCallback callback) override {
    line = std::move(on_line);
    answer = std::move(callback);
    return std::make_shared<Call>(&cancels);
  }

  LineCallback line;
  BuildCallback answer;
  int cancels = 0;
};

class LayerBuildTest : public testing::Test {
 protected:
  static constexpr absl::Duration kLease = absl::Seconds(12);

  void SetUp() override {
    Environment environment;
    environment.id = EnvironmentId(NewId(kEnvironmentPrefix, clock_.Now()));
    environment.tenant = {"o", "w"};
    environment.name = "e";
    environment.image.state = ImageState::kPending;
    environment.image.generation = 1;
    environment_ = *environments_.Create(environment, {});
    BuildClaim claim;
    claim.environment_id = environment_.id;
    claim.generation = 1;
    claim.cache_key = "key";
    claim.build_id = "build";
    claim.manager = "apt";
    claim.node = NodeId("node");
    claim.ttl = kLease;
    ASSERT_EQ(store_.Claim(claim)->outcome, ImageStore::ClaimOutcome::kClaimed);
    LayerOrder order;
    order.cache_key = "key";
    order.build_id = "build";
    order.timeout = absl::Minutes(10);
    const LayerBuild::Deps deps = {&store_, &client_, &executor_, &timers_,
                                   &hub_,   &clock_,  &metrics_};
    build_ = std::make_shared<LayerBuild>(
        deps, NodeTarget{NodeId("node"), "node:1"}, order, kLease,
        [this](LayerBuild::Ending ending, absl::StatusOr<BuildOutcome> outcome) {
          ending_ = ending;
          outcome_ = std::move(outcome);
        });
    build_->Start();
  }

  void Pass(absl::Duration time) {
    const absl::Duration end = clock_.Monotonic() + time;
    while (clock_.Monotonic() < end) {
      clock_.Advance(absl::Milliseconds(100));
      timers_.RunDue();
      executor_.RunAll();
    }
  }

  std::vector<std::string> Log() { return store_.ReadLog("build", 0, 100'000)->lines; }

  FakeClock clock_;
  FakeEnvironmentStore environments_{&clock_};
  FakeImageStore store_{&environments_, &clock_};
  FakeWatchHub hub_;
  prometheus::Registry registry_;
  FleetMetrics metrics_{&registry_};
  ManualExecutor executor_;
  ManualTimers timers_{&clock_};
  ManualClient client_;
  Environment environment_;
  std::shared_ptr<LayerBuild> build_;
  std::optional<LayerBuild::Ending> ending_;
  absl::StatusOr<BuildOutcome> outcome_ = absl::UnknownError("");
};

TEST_F(LayerBuildTest, KeepsItsLeaseForAsLongAsItTakes) {
  Pass(absl::Minutes(5));
  EXPECT_EQ(client_.cancels, 0);
  EXPECT_TRUE(store_.Renew("key", "build", kLease)->held);
  client_.answer(BuildOutcome(BuiltLayer{"digest", 1, absl::Seconds(1), {}, {}}));
  executor_.RunAll();
  EXPECT_EQ(ending_, LayerBuild::Ending::kAnswered);
  ASSERT_TRUE(outcome_.ok());
  EXPECT_EQ(std::get<BuiltLayer>(*outcome_).digest, "digest");
}

TEST_F(LayerBuildTest, LinesAreStoredInBatchesInOrderBeforeTheEnd) {
  for (int i = 0; i < 1200; ++i) client_.line(absl::StrCat("line ", i));
  EXPECT_THAT(Log(), IsEmpty());
  Pass(absl::Milliseconds(300));
  EXPECT_THAT(Log(), SizeIs(1200));
  EXPECT_THAT(hub_.notified(), testing::Contains(environment_.id.value()));
  client_.line("last");
  client_.answer(BuildOutcome(ImageFailure()));
  executor_.RunAll();
  ASSERT_TRUE(ending_.has_value());
  const std::vector<std::string> log = Log();
  ASSERT_THAT(log, SizeIs(1201));
  EXPECT_EQ(log[700], "line 700");
  EXPECT_EQ(log[1200], "last");
}

TEST_F(LayerBuildTest, AnEndlessLogIsCutAndSaysSo) {
  for (int64_t i = 0; i < kMaxLogLines + 100; ++i) client_.line("x");
  client_.line(std::string(10'000, 'y'));
  Pass(absl::Seconds(1));
  const std::vector<std::string> log = Log();
  ASSERT_THAT(log, SizeIs(kMaxLogLines + 1));
  EXPECT_THAT(log.back(), testing::HasSubstr("not kept"));
}

TEST_F(LayerBuildTest, ALongLineIsCutBetweenCharacters) {
  std::string line;
  while (line.size() < 10'000) line += "é";
  client_.line(line);
  Pass(absl::Seconds(1));
  EXPECT_THAT(Log(), ElementsAre(testing::SizeIs(testing::Le(4100u))));
}

TEST_F(LayerBuildTest, IsCancelledWhenNobodyNeedsIt) {
  ASSERT_TRUE(environments_.Delete(environment_.tenant, environment_.id).ok());
  build_->Recheck();
  Pass(absl::Seconds(1));
  EXPECT_EQ(client_.cancels, 1);
  client_.answer(absl::CancelledError(""));
  executor_.RunAll();
  EXPECT_EQ(ending_, LayerBuild::Ending::kUnneeded);
}

TEST_F(LayerBuildTest, WhatWasBuiltAfterAllIsTaken) {
  ASSERT_TRUE(environments_.Delete(environment_.tenant, environment_.id).ok());
  Pass(absl::Seconds(5));
  EXPECT_EQ(client_.cancels, 1);
  client_.answer(BuildOutcome(BuiltLayer{"digest", 1, absl::Seconds(1), {}, {}}));
  executor_.RunAll();
  EXPECT_EQ(ending_, LayerBuild::Ending::kAnswered);
}

TEST_F(LayerBuildTest, EndsWhenAnotherHasTakenItsLease) {
  // As after a pause of the whole process.
  clock_.Advance(kLease + absl::Seconds(1));
  BuildClaim claim;
  claim.environment_id = environment_.id;
  claim.generation = 1;
  claim.cache_key = "key";
  claim.build_id = "another";
  claim.ttl = absl::Hours(1);
  ASSERT_EQ(store_.Claim(claim)->outcome, ImageStore::ClaimOutcome::kClaimed);
  client_.line("too late");
  Pass(absl::Seconds(1));
  EXPECT_EQ(client_.cancels, 1);
  client_.answer(BuildOutcome(BuiltLayer{"digest", 1, absl::Seconds(1), {}, {}}));
  executor_.RunAll();
  EXPECT_EQ(ending_, LayerBuild::Ending::kLost);
}

}  // namespace
}  // namespace paddock
