#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/contract/store_contract.h"

namespace paddock {

class ImageStoreContract : public testing::TestWithParam<MakeStoreHarness> {
 protected:
  using Outcome = ImageStore::ClaimOutcome;

  ImageStore* store() { return harness_->images(); }

  Environment Pending(const std::string& name) {
    Environment environment;
    environment.id = EnvironmentId(ids_.Next(kEnvironmentPrefix));
    environment.tenant = tenant_;
    environment.name = name;
    environment.created_at = ids_.now();
    environment.config = CloudConfig();
    environment.image.state = ImageState::kPending;
    environment.image.generation = 1;
    auto created = harness_->environments()->Create(environment, {});
    EXPECT_TRUE(created.ok()) << created.status();
    return *created;
  }

  BuildClaim ClaimOf(const Environment& environment, const std::string& build_id = "") {
    BuildClaim claim;
    claim.environment_id = environment.id;
    claim.generation = environment.image.generation;
    claim.cache_key = key_;
    claim.build_id = build_id.empty() ? ids_.Next("build_") : build_id;
    claim.manager = "apt";
    claim.node = node_;
    claim.holder = "replica";
    claim.ttl = absl::Minutes(1);
    return claim;
  }

  ImageStore::ClaimResult Claim(const BuildClaim& claim) {
    auto result = store()->Claim(claim);
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? *result : ImageStore::ClaimResult();
  }

  Layer LayerOf(const std::string& digest) {
    Layer layer;
    layer.cache_key = key_;
    layer.digest = digest;
    layer.parent = "base";
    layer.manager = "apt";
    layer.size_bytes = 1000;
    layer.build_duration = absl::Seconds(3);
    layer.registry_hosts = {"registry.example"};
    layer.other_hosts = {"other.example"};
    return layer;
  }

  bool IsIdle(const Environment& environment) {
    const auto idle = store()->Idle(100'000);
    EXPECT_TRUE(idle.ok()) << idle.status();
    return std::find(idle->begin(), idle->end(), environment.id) != idle->end();
  }

  EnvironmentImage ImageOf(const Environment& environment) {
    return store()->Find(environment.id)->image;
  }

  // Claims until it isn't refused any more.
  Outcome ClaimOnceFree(const Environment& environment, const std::string& build_id) {
    const absl::Time give_up = absl::Now() + absl::Seconds(20);
    while (absl::Now() < give_up) {
      const Outcome outcome = Claim(ClaimOf(environment, build_id)).outcome;
      if (outcome != Outcome::kJoined) return outcome;
      absl::SleepFor(absl::Milliseconds(2));
    }
    return Outcome::kJoined;
  }

  const std::unique_ptr<StoreHarness> harness_ = GetParam()();
  const Tenant tenant_ = NewTestTenant();
  RisingIds ids_;
  const NodeId node_ = harness_->MakeNode();
  const std::string key_ = NewId("key_", Clock::Real()->Now());
  const std::string first_ = ids_.Next("build_");
  const std::string second_ = ids_.Next("build_");
};

TEST_P(ImageStoreContract, AnImageIsIdleUntilSomebodyBuildsForIt) {
  const Environment environment = Pending("e");
  EXPECT_TRUE(IsIdle(environment));
  const auto result = Claim(ClaimOf(environment, first_));
  EXPECT_EQ(result.outcome, Outcome::kClaimed);
  EXPECT_EQ(result.attempt, 1);
  EXPECT_FALSE(IsIdle(environment));
  const EnvironmentImage image = ImageOf(environment);
  EXPECT_EQ(image.state, ImageState::kBuilding);
  EXPECT_EQ(image.building_manager, "apt");
  EXPECT_TRUE(image.building_since.has_value());
  ASSERT_EQ(image.builds.size(), 1u);
  EXPECT_EQ(image.builds[0].build_id, first_);
  EXPECT_GT(store()->Find(environment.id)->revision, environment.revision);
}

TEST_P(ImageStoreContract, OfClaimsAtOnceOneWinsAndTheOthersJoinIt) {
  constexpr int kThreads = 8;
  std::vector<BuildClaim> claims;
  for (int i = 0; i < kThreads; ++i) claims.push_back(ClaimOf(Pending(absl::StrCat("e", i))));
  std::atomic<int> won{0};
  std::atomic<int> joined{0};
  std::vector<std::thread> threads;
  for (const BuildClaim& claim : claims) {
    threads.emplace_back([this, &claim, &won, &joined] {
      const Outcome outcome = Claim(claim).outcome;
      if (outcome == Outcome::kClaimed) ++won;
      if (outcome == Outcome::kJoined) ++joined;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(won, 1);
  EXPECT_EQ(joined, kThreads - 1);
  std::string build_id;
  for (const BuildClaim& claim : claims) {
    const EnvironmentImage image = store()->Find(claim.environment_id)->image;
    EXPECT_EQ(image.state, ImageState::kBuilding);
    ASSERT_EQ(image.builds.size(), 1u);
    EXPECT_TRUE(build_id.empty() || image.builds[0].build_id == build_id);
    build_id = image.builds[0].build_id;
  }
}

TEST_P(ImageStoreContract, ACommitFreesEverybodyWhoWaited) {
  const Environment one = Pending("first");
  const Environment two = Pending("second");
  Claim(ClaimOf(one, first_));
  Claim(ClaimOf(two));
  const auto waiting = store()->Commit(LayerOf("digest"), first_, node_);
  ASSERT_TRUE(waiting.ok()) << waiting.status();
  EXPECT_THAT(*waiting, testing::UnorderedElementsAre(one.id, two.id));
  EXPECT_TRUE(IsIdle(one));
  EXPECT_TRUE(IsIdle(two));
  const auto layers = store()->Layers(key_);
  ASSERT_TRUE(layers.ok());
  ASSERT_EQ(layers->size(), 1u);
  const Layer& layer = (*layers)[0];
  EXPECT_EQ(layer.digest, "digest");
  EXPECT_EQ(layer.parent, "base");
  EXPECT_EQ(layer.size_bytes, 1000);
  EXPECT_EQ(layer.build_duration, absl::Seconds(3));
  EXPECT_THAT(layer.registry_hosts, testing::ElementsAre("registry.example"));
  EXPECT_THAT(layer.other_hosts, testing::ElementsAre("other.example"));
  EXPECT_THAT(harness_->ImagesOf(node_), testing::ElementsAre("digest"));
  ASSERT_TRUE(store()->ForgetImage(node_, "digest").ok());
  EXPECT_THAT(harness_->ImagesOf(node_), testing::IsEmpty());
}

TEST_P(ImageStoreContract, WhoHasntSeenALayerDoesntBuildItAgain) {
  const Environment one = Pending("first");
  const Environment two = Pending("second");
  Claim(ClaimOf(one, first_));
  ASSERT_TRUE(store()->Commit(LayerOf("digest"), first_, node_).ok());
  EXPECT_EQ(Claim(ClaimOf(two)).outcome, Outcome::kChanged);
  BuildClaim claim = ClaimOf(two);
  claim.known_layers = 1;
  EXPECT_EQ(Claim(claim).outcome, Outcome::kClaimed) << "it can't use the one that is there";
}

TEST_P(ImageStoreContract, AnExpiredLeaseIsTakenOverAndItsBuildCountsNoMore) {
  const Environment environment = Pending("e");
  BuildClaim claim = ClaimOf(environment, first_);
  claim.ttl = absl::Milliseconds(20);
  Claim(claim);
  EXPECT_EQ(ClaimOnceFree(environment, second_), Outcome::kClaimed);
  EXPECT_FALSE(store()->Renew(key_, first_, absl::Minutes(1))->held);
  EXPECT_TRUE(absl::IsAborted(store()->Commit(LayerOf("late"), first_, node_).status()));
  EXPECT_TRUE(absl::IsAborted(store()->Fail(key_, first_, ImageFailure()).status()));
  EXPECT_TRUE(store()->Release(key_, first_, absl::ZeroDuration(), 0).ok());
  EXPECT_EQ(ImageOf(environment).state, ImageState::kBuilding);
  EXPECT_THAT(*store()->Layers(key_), testing::IsEmpty());
  EXPECT_EQ(ImageOf(environment).builds.size(), 2u) << "its log stays part of the story";
  const auto renewal = store()->Renew(key_, second_, absl::Minutes(1));
  EXPECT_TRUE(renewal->held);
  EXPECT_TRUE(renewal->needed);
  EXPECT_TRUE(store()->Commit(LayerOf("digest"), second_, node_).ok());
}

TEST_P(ImageStoreContract, ARenewedLeaseHolds) {
  const Environment environment = Pending("e");
  BuildClaim claim = ClaimOf(environment, first_);
  claim.ttl = absl::Milliseconds(1);
  Claim(claim);
  ASSERT_TRUE(store()->Renew(key_, first_, absl::Minutes(1))->held);
  EXPECT_EQ(Claim(ClaimOf(environment)).outcome, Outcome::kJoined);
}

TEST_P(ImageStoreContract, AReleasedKeyIsTriedAgainAfterItsDelayAndAttemptsAreCounted) {
  const Environment environment = Pending("e");
  Claim(ClaimOf(environment, first_));
  ASSERT_TRUE(store()->Release(key_, first_, absl::Minutes(1), 1).ok());
  EXPECT_EQ(Claim(ClaimOf(environment, second_)).outcome, Outcome::kJoined);
  EXPECT_FALSE(IsIdle(environment)) << "there is nothing to do before";
  ASSERT_TRUE(store()->Release(key_, first_, absl::ZeroDuration(), 1).ok());
  EXPECT_TRUE(IsIdle(environment));
  const auto result = Claim(ClaimOf(environment, second_));
  EXPECT_EQ(result.outcome, Outcome::kClaimed);
  EXPECT_EQ(result.attempt, 2);
}

TEST_P(ImageStoreContract, AFailureIsTheOwnersAndOthersMayTry) {
  const Environment owner = Pending("owner");
  const Environment other = Pending("other");
  Claim(ClaimOf(owner, first_));
  Claim(ClaimOf(other));
  ImageFailure failure;
  failure.manager = "apt";
  failure.package = "jqq";
  failure.exit_code = 100;
  failure.log_tail = "E: no such package";
  failure.reason = "INSTALL_FAILED";
  failure.message = "It can't be installed.";
  const auto concerned = store()->Fail(key_, first_, failure);
  ASSERT_TRUE(concerned.ok()) << concerned.status();
  EXPECT_THAT(*concerned, testing::UnorderedElementsAre(owner.id, other.id));
  const EnvironmentImage image = ImageOf(owner);
  EXPECT_EQ(image.state, ImageState::kFailed);
  ASSERT_TRUE(image.failure.has_value());
  EXPECT_EQ(image.failure->package, "jqq");
  EXPECT_EQ(image.failure->exit_code, 100);
  EXPECT_EQ(image.failure->log_tail, "E: no such package");
  EXPECT_EQ(image.failure->reason, "INSTALL_FAILED");
  EXPECT_FALSE(image.building_since.has_value());
  EXPECT_FALSE(IsIdle(owner));
  EXPECT_TRUE(IsIdle(other));
  EXPECT_EQ(Claim(ClaimOf(other)).outcome, Outcome::kClaimed);
}

TEST_P(ImageStoreContract, ANodeBuildsNoMoreThanItsBound) {
  const Environment one = Pending("first");
  const Environment two = Pending("second");
  Claim(ClaimOf(one, first_));
  BuildClaim claim = ClaimOf(two);
  claim.cache_key = key_ + "2";
  EXPECT_EQ(Claim(claim).outcome, Outcome::kNodeBusy);
  EXPECT_TRUE(IsIdle(two));
  EXPECT_EQ(ImageOf(two).state, ImageState::kPending);
  claim.max_on_node = 2;
  EXPECT_EQ(Claim(claim).outcome, Outcome::kClaimed);
}

TEST_P(ImageStoreContract, SettlingMakesItReady) {
  const Environment environment = Pending("e");
  Claim(ClaimOf(environment, first_));
  ASSERT_TRUE(store()->Commit(LayerOf("digest"), first_, node_).ok());
  std::vector<Layer> layers = *store()->Layers(key_);
  layers.push_back(LayerOf("top"));
  EXPECT_FALSE(*store()->Settle(environment.id, 2, layers)) << "another generation";
  EXPECT_TRUE(*store()->Settle(environment.id, 1, layers));
  const EnvironmentImage image = ImageOf(environment);
  EXPECT_EQ(image.state, ImageState::kReady);
  EXPECT_EQ(image.digest, "top");
  EXPECT_EQ(image.size_bytes, 2000);
  ASSERT_EQ(image.layers.size(), 2u);
  EXPECT_EQ(image.layers[0].digest, "digest");
  EXPECT_EQ(image.layers[0].build_duration, absl::Seconds(3));
  EXPECT_FALSE(image.building_since.has_value());
  EXPECT_FALSE(IsIdle(environment));
  EXPECT_FALSE(*store()->Settle(environment.id, 1, layers)) << "it is settled";
}

TEST_P(ImageStoreContract, ANewGenerationLeavesTheOldBuildBehind) {
  const Environment environment = Pending("e");
  Claim(ClaimOf(environment, first_));
  auto next = harness_->environments()->Mutate(
      tenant_, environment.id, [](const Environment& stored, bool*) {
        Environment anew = stored;
        anew.image = EnvironmentImage();
        anew.image.state = ImageState::kPending;
        anew.image.generation = stored.image.generation + 1;
        return anew;
      });
  ASSERT_TRUE(next.ok()) << next.status();
  EXPECT_TRUE(IsIdle(*next));
  EXPECT_EQ(Claim(ClaimOf(environment)).outcome, Outcome::kMovedOn);
  const auto renewal = store()->Renew(key_, first_, absl::Minutes(1));
  EXPECT_TRUE(renewal->held);
  EXPECT_FALSE(renewal->needed);
  EXPECT_TRUE(store()->Fail(key_, first_, ImageFailure()).ok());
  EXPECT_EQ(ImageOf(environment).state, ImageState::kPending);
}

TEST_P(ImageStoreContract, AChangeOfSomethingElseLeavesTheBuildAlone) {
  const Environment environment = Pending("e");
  Claim(ClaimOf(environment, first_));
  ASSERT_TRUE(harness_->environments()
                  ->Mutate(tenant_, environment.id,
                           [](const Environment& stored, bool*) {
                             Environment renamed = stored;
                             renamed.description = "changed";
                             return renamed;
                           })
                  .ok());
  EXPECT_FALSE(IsIdle(environment));
  EXPECT_TRUE(store()->Renew(key_, first_, absl::Minutes(1))->needed);
}

TEST_P(ImageStoreContract, ABuildWhoseEnvironmentIsDeletedIsNotNeeded) {
  const Environment environment = Pending("e");
  Claim(ClaimOf(environment, first_));
  ASSERT_TRUE(harness_->environments()->Delete(tenant_, environment.id).ok());
  EXPECT_FALSE(store()->Renew(key_, first_, absl::Minutes(1))->needed);
  EXPECT_TRUE(absl::IsNotFound(store()->Find(environment.id).status()));
  EXPECT_EQ(Claim(ClaimOf(environment)).outcome, Outcome::kMovedOn);
}

TEST_P(ImageStoreContract, LogsAreReadInOrderFromAnyLine) {
  const Environment environment = Pending("e");
  const std::string build = ids_.Next("build_");
  Claim(ClaimOf(environment, build));
  const auto watched = store()->AppendLog(key_, build, 1, {"one", "two"});
  ASSERT_TRUE(watched.ok()) << watched.status();
  EXPECT_THAT(*watched, testing::ElementsAre(environment.id));
  ASSERT_TRUE(store()->AppendLog(key_, build, 3, {"three", "\xff\n\"quoted\""}).ok());
  auto part = store()->ReadLog(build, 0, 100);
  ASSERT_TRUE(part.ok());
  ASSERT_EQ(part->lines.size(), 4u);
  EXPECT_EQ(part->lines[2], "three");
  EXPECT_EQ(part->last, 4);
  EXPECT_FALSE(part->more);
  part = store()->ReadLog(build, 1, 100);
  EXPECT_EQ(part->lines[0], "two");
  part = store()->ReadLog(build, 4, 100);
  EXPECT_THAT(part->lines, testing::IsEmpty());
  EXPECT_EQ(part->last, 4);
  EXPECT_THAT(store()->ReadLog("unknown", 0, 100)->lines, testing::IsEmpty());
}

TEST_P(ImageStoreContract, LongLogsComeInParts) {
  const Environment environment = Pending("e");
  const std::string build = ids_.Next("build_");
  Claim(ClaimOf(environment, build));
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(store()->AppendLog(key_, build, i + 1, {absl::StrCat("line ", i + 1)}).ok());
  }
  std::vector<std::string> lines;
  int64_t after = 0;
  bool more = true;
  for (int i = 0; more && i < 100; ++i) {
    const auto part = store()->ReadLog(build, after, 10);
    ASSERT_TRUE(part.ok());
    lines.insert(lines.end(), part->lines.begin(), part->lines.end());
    after = part->last;
    more = part->more;
  }
  ASSERT_EQ(lines.size(), 50u);
  EXPECT_EQ(lines[49], "line 50");
}

}  // namespace paddock
