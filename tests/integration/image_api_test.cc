// Environments with packages over real gRPC, with pretended builds.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/error_details.h"
#include "common/grpc_status.h"
#include "tests/integration/image_api_fixture.h"

namespace paddock::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;

TEST_F(ImageApiTest, LayersAreBuiltInOrderAndASessionStartsFromThem) {
  v1::CreateEnvironmentRequest request = With("e", "jq", "pandas");
  request.mutable_config()->mutable_cloud()->mutable_packages()->add_npm("express");
  const v1::Environment created = Create(request);
  EXPECT_EQ(created.image().state(), v1::IMAGE_STATE_PENDING);
  const v1::EnvironmentImage image = Reach(created.id(), v1::IMAGE_STATE_READY);
  EXPECT_THAT(node_->builds(), ElementsAre("npm toolchain", "apt jq", "npm express", "pip pandas"));
  ASSERT_EQ(image.layers_size(), 4);
  EXPECT_TRUE(image.layers(0).toolchain());
  EXPECT_EQ(image.layers(3).manager(), "pip");
  EXPECT_EQ(image.layers(3).build_duration().seconds(), 2);
  EXPECT_EQ(image.digest(), image.layers(3).digest());
  EXPECT_EQ(image.size_bytes(), 4000);
  EXPECT_EQ(image.building_manager(), "");
  const auto session = CreateSession(created.id(), 10);
  ASSERT_TRUE(session.ok()) << session.status();
  EXPECT_EQ(session->state(), v1::SESSION_STATE_RUNNING);
  EXPECT_EQ(node_->SpecOf(session->id()).image_digest(), image.digest());
}

TEST_F(ImageApiTest, ABuildUnderWaySaysWhichManagerAndSinceWhen) {
  const v1::Environment created = Create(With("e", "jq", "hold"));
  ASSERT_TRUE(Eventually([&] { return node_->holding() == 1; }));
  const v1::EnvironmentImage image = Reach(created.id(), v1::IMAGE_STATE_BUILDING);
  EXPECT_EQ(image.building_manager(), "pip");
  EXPECT_GT(image.building_since().seconds(), created.created_at().seconds() - 1);
  EXPECT_EQ(image.digest(), "");
  node_->Release();
  Reach(created.id(), v1::IMAGE_STATE_READY);
}

TEST_F(ImageApiTest, AFailureSaysWhyAndSessionsFailFast) {
  const v1::Environment created = Create(With("e", "jq", "bad"));
  const v1::EnvironmentImage image = Reach(created.id(), v1::IMAGE_STATE_FAILED);
  EXPECT_EQ(image.failure().manager(), "pip");
  EXPECT_EQ(image.failure().package(), "bad");
  EXPECT_EQ(image.failure().exit_code(), 100);
  EXPECT_EQ(image.failure().reason(), "INSTALL_FAILED");
  EXPECT_THAT(image.failure().log_tail(), HasSubstr("Unable to locate"));
  const absl::Time begin = absl::Now();
  const auto session = CreateSession(created.id(), 30);
  EXPECT_TRUE(absl::IsFailedPrecondition(session.status())) << session.status();
  EXPECT_THAT(std::string(session.status().message()),
              AllOf(HasSubstr("pip \"bad\", exit code 100: \"no such package\"\n"),
                    HasSubstr("\nGet:59 "), EndsWith("\nE: Unable to locate package bad")));
  v1::CreateSessionRequest request;
  request.set_environment_id(created.id());
  v1::Session none;
  ErrorMetadata details = ErrorMetadataOf(
      FromGrpcStatus(client_.sessions().CreateSession(client_.Context().get(), request, &none)));
  EXPECT_EQ(details["manager"], "pip");
  EXPECT_EQ(details["package"], "bad");
  EXPECT_EQ(details["exit_code"], "100");
  EXPECT_THAT(details["log_tail"], EndsWith("\nE: Unable to locate package bad"));
  EXPECT_LT(absl::Now() - begin, absl::Seconds(2));
  // Tried again, with what was built before.
  Rebuild(created.id(), false);
  Reach(created.id(), v1::IMAGE_STATE_FAILED);
  ASSERT_TRUE(Eventually([&] { return node_->builds().size() == 3; }));
  EXPECT_THAT(node_->builds(), ElementsAre("apt jq", "pip bad", "pip bad"));
}

TEST_F(ImageApiTest, AFailureIsOfOneEnvironmentOnly) {
  const v1::Environment first = Create(With("first", "", "bad"));
  Reach(first.id(), v1::IMAGE_STATE_FAILED);
  const v1::Environment second = Create(With("second", "", "bad"));
  Reach(second.id(), v1::IMAGE_STATE_FAILED);
  EXPECT_EQ(node_->builds().size(), 2u) << "it was tried for each";
}

TEST_F(ImageApiTest, EnvironmentsAtOnceBuildOnce) {
  std::vector<std::string> ids;
  for (int i = 0; i < 4; ++i) ids.push_back(Create(With(absl::StrCat("e", i), "jq", "hold")).id());
  ASSERT_TRUE(Eventually([&] { return node_->holding() == 1; }));
  for (const std::string& id : ids) Reach(id, v1::IMAGE_STATE_BUILDING);
  node_->Release();
  std::string digest;
  for (const std::string& id : ids) {
    const v1::EnvironmentImage image = Reach(id, v1::IMAGE_STATE_READY);
    EXPECT_TRUE(digest.empty() || image.digest() == digest);
    digest = image.digest();
  }
  EXPECT_THAT(node_->builds(), ElementsAre("apt jq", "pip hold"));
}

TEST_F(ImageApiTest, WhatIsThereIsUsedAgain) {
  const v1::EnvironmentImage first =
      Reach(Create(With("first", "jq", "pandas")).id(), v1::IMAGE_STATE_READY);
  const absl::Time begin = absl::Now();
  const v1::Environment second = Create(With("second", "jq", "pandas"));
  EXPECT_EQ(Reach(second.id(), v1::IMAGE_STATE_READY).digest(), first.digest());
  EXPECT_LT(absl::Now() - begin, absl::Seconds(1));
  EXPECT_EQ(node_->builds().size(), 2u);

  v1::UpdateEnvironmentRequest update;
  update.set_environment_id(second.id());
  v1::Environment updated;
  update.mutable_config()
      ->mutable_cloud()
      ->mutable_networking()
      ->mutable_limited()
      ->set_allow_package_managers(true);
  ASSERT_TRUE(
      client_.environments().UpdateEnvironment(client_.Context().get(), update, &updated).ok());
  EXPECT_EQ(updated.image().state(), v1::IMAGE_STATE_READY);
  EXPECT_EQ(updated.image().digest(), first.digest());

  update.mutable_config()->mutable_cloud()->mutable_packages()->add_pip("numpy");
  ASSERT_TRUE(
      client_.environments().UpdateEnvironment(client_.Context().get(), update, &updated).ok());
  EXPECT_NE(updated.image().state(), v1::IMAGE_STATE_READY);
  const v1::EnvironmentImage changed = Reach(second.id(), v1::IMAGE_STATE_READY);
  EXPECT_EQ(changed.layers(0).digest(), first.layers(0).digest()) << "the apt layer stays";
  EXPECT_THAT(node_->builds(), ElementsAre("apt jq", "pip pandas", "pip numpy"));
}

TEST_F(ImageApiTest, ARefreshLooksUpVersionsAgainAndARebuildDoesNot) {
  const std::string id = Create(With("e", "", "pandas")).id();
  const std::string digest = Reach(id, v1::IMAGE_STATE_READY).digest();
  Rebuild(id, false);
  EXPECT_EQ(Reach(id, v1::IMAGE_STATE_READY).digest(), digest);
  Rebuild(id, true);
  EXPECT_NE(Reach(id, v1::IMAGE_STATE_READY).digest(), digest);
  EXPECT_EQ(node_->builds().size(), 2u);
}

TEST_F(ImageApiTest, ALayerThatReachedOtherHostsIsUsedOnlyWhereTheyAreAllowed) {
  const v1::EnvironmentImage open =
      Reach(Create(With("open", "", "leak")).id(), v1::IMAGE_STATE_READY);
  auto limited = With("limited", "", "leak");
  v1::LimitedNetwork* network =
      limited.mutable_config()->mutable_cloud()->mutable_networking()->mutable_limited();
  network->set_allow_package_managers(true);
  EXPECT_NE(Reach(Create(limited).id(), v1::IMAGE_STATE_READY).digest(), open.digest());
  limited.set_name("allowed");
  network->add_allowed_hosts("elsewhere.example");
  EXPECT_EQ(Reach(Create(limited).id(), v1::IMAGE_STATE_READY).digest(), open.digest());
}

TEST_F(ImageApiTest, ASessionWaitsForTheBuildAndStartsFromIt) {
  const std::string id = Create(With("e", "", "hold")).id();
  const auto pending = CreateSession(id, 0);
  ASSERT_TRUE(pending.ok()) << pending.status();
  EXPECT_EQ(pending->state(), v1::SESSION_STATE_PENDING);
  EXPECT_THAT(pending->state_reason(), HasSubstr("IMAGE_BUILDING"));
  absl::StatusOr<v1::Session> waited = absl::UnknownError("");
  std::thread waiter([&] { waited = CreateSession(id, 30); });
  ASSERT_TRUE(Eventually([&] { return node_->holding() == 1; }));
  node_->Release();
  waiter.join();
  ASSERT_TRUE(waited.ok()) << waited.status();
  EXPECT_EQ(waited->state(), v1::SESSION_STATE_RUNNING) << waited->ShortDebugString();
  EXPECT_TRUE(Eventually(
      [&] { return client_.GetSession(pending->id())->state() == v1::SESSION_STATE_RUNNING; }));
  const std::string digest = Get(id).image().digest();
  EXPECT_EQ(node_->SpecOf(waited->id()).image_digest(), digest);
  EXPECT_EQ(node_->SpecOf(pending->id()).image_digest(), digest);
}

TEST_F(ImageApiTest, ASessionThatWaitsEndsWhenTheBuildFails) {
  auto request = With("e", "", "bad");
  request.mutable_config()->mutable_cloud()->mutable_packages()->add_pip("hold");
  const std::string id = Create(request).id();
  ASSERT_TRUE(Eventually([&] { return node_->holding() == 1; }));
  absl::StatusOr<v1::Session> waited = absl::UnknownError("");
  std::thread waiter([&] { waited = CreateSession(id, 30); });
  ASSERT_TRUE(Eventually([&] {
    v1::ListSessionsResponse page;
    (void)client_.sessions().ListSessions(client_.Context().get(), {}, &page);
    return page.sessions_size() == 1;
  }));
  node_->Release();
  waiter.join();
  ASSERT_TRUE(waited.ok()) << waited.status();
  EXPECT_EQ(waited->state(), v1::SESSION_STATE_TERMINATED);
  EXPECT_THAT(waited->state_reason(), HasSubstr("IMAGE_BUILD_FAILED"));
  EXPECT_THAT(waited->state_reason(),
              AllOf(HasSubstr("pip bad, exit code 100: no such package\n"), HasSubstr("\nGet:59 "),
                    EndsWith("\nE: Unable to locate package bad")));
  EXPECT_LT(waited->state_reason().size(), 1200u);
}

TEST_F(ImageApiTest, DeletingTheLastEnvironmentThatNeedsItCancelsABuild) {
  const std::string first = Create(With("first", "", "hold")).id();
  const std::string second = Create(With("second", "", "hold")).id();
  ASSERT_TRUE(Eventually([&] { return node_->holding() == 1; }));
  Reach(second, v1::IMAGE_STATE_BUILDING);
  ASSERT_TRUE(client_.DeleteEnvironment(first).ok());
  // Longer than the lease, of which a quarter passes between two renewals: nothing but need keeps
  // it.
  const double before = Counted("paddock_build_lease_renewals_total");
  EXPECT_TRUE(
      Eventually([&] { return Counted("paddock_build_lease_renewals_total") >= before + 6; }));
  EXPECT_EQ(node_->holding(), 1);
  EXPECT_EQ(node_->cancelled_builds(), 0);
  ASSERT_TRUE(client_.DeleteEnvironment(second).ok());
  EXPECT_TRUE(Eventually([&] { return node_->cancelled_builds() == 1; }));
}

TEST_F(ImageApiTest, AWatchTellsTheLogFromItsBeginningAtEveryReplica) {
  InProcessReplica other(Quick(replica_.get()));
  PaddockClient elsewhere = other.Client();
  const std::string id = Create(With("e", "jq", "hold")).id();
  std::vector<std::string> live;
  std::thread watcher([&] { live = LogOf(elsewhere, id); });
  ASSERT_TRUE(Eventually([&] { return node_->holding() == 1; }));
  node_->Release();
  Reach(id, v1::IMAGE_STATE_READY);
  watcher.join();
  EXPECT_THAT(live, ElementsAre("apt: installing jq", "pip: installing hold"));
  EXPECT_THAT(LogOf(client_, id), ElementsAre("apt: installing jq", "pip: installing hold"));
}

TEST_F(ImageApiTest, AnotherReplicaGoesOnWhenOneEnds) {
  InProcessReplica other(Quick(replica_.get()));
  PaddockClient elsewhere = other.Client();
  const std::string id = Create(With("e", "jq", "hold")).id();
  ASSERT_TRUE(Eventually([&] { return node_->holding() == 1; }));
  node_->KeepBeating(other.internal_port());
  replica_.reset();
  EXPECT_TRUE(Eventually([&] { return node_->cancelled_builds() == 1; }));
  node_->Release();
  v1::GetEnvironmentRequest get;
  get.set_environment_id(id);
  v1::Environment environment;
  EXPECT_TRUE(Eventually([&] {
    return elsewhere.environments()
               .GetEnvironment(elsewhere.Context().get(), get, &environment)
               .ok() &&
           environment.image().state() == v1::IMAGE_STATE_READY;
  })) << environment.ShortDebugString();
  EXPECT_THAT(node_->builds(), ElementsAre("apt jq", "pip hold", "pip hold"));
  node_->Stop();
}

TEST_F(ImageApiTest, AnotherNodeBuildsWhenOneIsLost) {
  const std::string id = Create(With("e", "jq", "hold")).id();
  ASSERT_TRUE(Eventually([&] { return node_->holding() == 1; }));
  const std::unique_ptr<FakeNodeAgent> other = NewAgent();
  other->Release();
  node_->Stop();
  const v1::EnvironmentImage image = Reach(id, v1::IMAGE_STATE_READY);
  EXPECT_THAT(other->builds(), ElementsAre("apt jq", "pip hold"));
  const auto session = CreateSession(id, 10);
  ASSERT_TRUE(session.ok()) << session.status();
  EXPECT_EQ(session->state(), v1::SESSION_STATE_RUNNING) << session->ShortDebugString();
  EXPECT_EQ(other->SpecOf(session->id()).image_digest(), image.digest());
}

TEST_F(ImageApiTest, SessionsStayOnNodesThatHaveTheImage) {
  const std::unique_ptr<FakeNodeAgent> other = NewAgent();
  const std::string id = Create(With("e", "jq", "")).id();
  Reach(id, v1::IMAGE_STATE_READY);
  FakeNodeAgent& has_it = node_->builds().empty() ? *other : *node_;
  for (int i = 0; i < 5; ++i) {
    const auto session = CreateSession(id, 10);
    ASSERT_TRUE(session.ok()) << session.status();
    EXPECT_EQ(session->node_id(), has_it.node_id());
  }
  v1::CordonNodeRequest cordon;
  cordon.set_node_id(has_it.node_id());
  v1::Node node;
  ASSERT_TRUE(client_.admin().CordonNode(client_.Context().get(), cordon, &node).ok());
  const auto waiting = CreateSession(id, 1);
  ASSERT_TRUE(waiting.ok()) << waiting.status();
  EXPECT_EQ(waiting->state(), v1::SESSION_STATE_PENDING);
  EXPECT_THAT(waiting->state_reason(), HasSubstr("NO_ROOM"));
  EXPECT_TRUE(Eventually([&] {
    return absl::StrContains(client_.GetSession(waiting->id())->state_reason(), "1 lack the image");
  })) << client_.GetSession(waiting->id())->state_reason();
}

TEST_F(ImageApiTest, AnImageThatNoNodeHasAnyMoreIsMadeAgain) {
  const std::string id = Create(With("e", "jq", "")).id();
  const std::string digest = Reach(id, v1::IMAGE_STATE_READY).digest();
  ASSERT_TRUE(node_->Heartbeat(replica_->internal_port()).ok());
  node_->Forget(digest);
  // As soon as the control plane has heard of it.
  absl::StatusOr<v1::Session> session = absl::UnknownError("");
  ASSERT_TRUE(Eventually([&] {
    session = CreateSession(id, 20);
    return node_->builds().size() == 2;
  }));
  ASSERT_TRUE(session.ok()) << session.status();
  EXPECT_EQ(session->state(), v1::SESSION_STATE_RUNNING) << session->ShortDebugString();
  EXPECT_NE(node_->SpecOf(session->id()).image_digest(), digest);
}

TEST_F(ImageApiTest, ARebuildInMidBuildGoesOnWithIt) {
  const std::string id = Create(With("e", "", "hold")).id();
  ASSERT_TRUE(Eventually([&] { return node_->holding() == 1; }));
  EXPECT_EQ(Rebuild(id, false).image().state(), v1::IMAGE_STATE_PENDING);
  Reach(id, v1::IMAGE_STATE_BUILDING);
  // It was looked at whether it is needed, at least once since.
  const double before = Counted("paddock_build_lease_renewals_total");
  EXPECT_TRUE(
      Eventually([&] { return Counted("paddock_build_lease_renewals_total") >= before + 2; }));
  EXPECT_EQ(node_->cancelled_builds(), 0);
  node_->Release();
  Reach(id, v1::IMAGE_STATE_READY);
  EXPECT_EQ(node_->builds().size(), 1u);
}

TEST_F(ImageApiTest, AnEmptiedPackageListNeedsNoBuild) {
  const std::string id = Create(With("e", "", "hold")).id();
  ASSERT_TRUE(Eventually([&] { return node_->holding() == 1; }));
  const auto pending = CreateSession(id, 0);
  ASSERT_TRUE(pending.ok()) << pending.status();
  v1::UpdateEnvironmentRequest update;
  update.set_environment_id(id);
  update.mutable_update_mask()->add_paths("config.cloud.packages");
  update.mutable_config()->mutable_cloud()->mutable_packages();
  v1::Environment updated;
  const grpc::Status status =
      client_.environments().UpdateEnvironment(client_.Context().get(), update, &updated);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(Reach(id, v1::IMAGE_STATE_READY).digest(), "");
  EXPECT_TRUE(Eventually([&] { return node_->cancelled_builds() == 1; }));
  EXPECT_TRUE(Eventually(
      [&] { return client_.GetSession(pending->id())->state() == v1::SESSION_STATE_RUNNING; }));
}

}  // namespace
}  // namespace paddock::testing
