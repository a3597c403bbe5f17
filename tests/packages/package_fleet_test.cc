// Environments with packages by real replicas and agents, also such as are killed in mid-build.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/packages/hostile_projects.h"
#include "tests/packages/test_fleet.h"
#include "tests/packages/test_registry.h"

namespace paddock::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kSmallVolume[] = "--volumes_bytes=2147483648";
// Logged by agents.
constexpr char kBegun[] = "msg=\"building a layer\"";
constexpr char kDone[] = "msg=\"a layer is ready\"";

// When the first line with `text` was logged; empty: never.
std::string TimeOf(const std::string& log, const std::string& text) {
  for (absl::string_view line : absl::StrSplit(log, '\n')) {
    if (absl::StrContains(line, text)) return std::string(line.substr(0, line.find(' ')));
  }
  return "";
}

// Of builds that were installing when something was killed.
bool IsHalfWay(const v1::BuildLogLine& line) {
  return line.manager() == "apt" && absl::StartsWith(line.line(), "Unpacking");
}

TEST(PackageFleetTest, AnotherNodeTakesOverFromAnAgentThatIsKilledHalfway) {
  TestFleet fleet;
  for (int i = 0; i < 2; ++i) fleet.Join(fleet.AddAgent({kSmallVolume}));
  const std::string id =
      fleet.CreateEnvironment({{"apt", {"tree"}}, {"pip", {"six==1.16.0"}}}).id();
  TestAgent* killed = nullptr;
  const v1::EnvironmentImage image = fleet.Watch(id, 0, [&](const v1::BuildLogLine& line) {
    if (killed != nullptr || !IsHalfWay(line)) return;
    const bool first = absl::StrContains(fleet.agent(0).Log(), kBegun);
    killed = &fleet.agent(first ? 0 : 1);
    killed->Kill();
  });
  ASSERT_NE(killed, nullptr);
  ASSERT_EQ(image.state(), v1::IMAGE_STATE_READY) << image.ShortDebugString();
  EXPECT_EQ(fleet.CountInLogs(kDone), 2) << "apt and pip, once each";
  TestAgent& other = fleet.agent(killed == &fleet.agent(0) ? 1 : 0);
  const v1::Session session = fleet.Run(id);
  EXPECT_EQ(session.node_id(), other.node_id());
  EXPECT_EQ(fleet.Shell(session, "tree --version && python3 -c 'import six'").code, 0);
  // What it had half made is no layer, now and after its restart.
  EXPECT_THAT(killed->Layers(), SizeIs(1));
  fleet.Join(*killed);
  EXPECT_THAT(killed->Layers(), SizeIs(1));
  EXPECT_THAT(killed->Leftovers(), IsEmpty());
  EXPECT_EQ(fleet.ImageOf(id).digest(), image.digest());
  fleet.Clear();
}

TEST(PackageFleetTest, AnotherReplicaTakesOverFromOneThatIsKilledHalfway) {
  TestFleet fleet(2, {"--build_lease=4s"});
  for (int i = 0; i < 2; ++i) fleet.Join(fleet.AddAgent({kSmallVolume}));
  const std::string id = fleet.CreateEnvironment({{"apt", {"tree"}}}, /*replica=*/0).id();
  bool killed = false;
  const v1::EnvironmentImage image =
      fleet.Watch(id, /*replica=*/1, [&](const v1::BuildLogLine& line) {
        if (killed || !IsHalfWay(line)) return;
        // The one that was asked for the environment builds it.
        fleet.replica(0).Kill();
        killed = true;
      });
  ASSERT_TRUE(killed);
  ASSERT_EQ(image.state(), v1::IMAGE_STATE_READY) << image.ShortDebugString();
  EXPECT_THAT(fleet.replica(0).Log(), HasSubstr("build started"));
  EXPECT_THAT(fleet.replica(1).Log(), HasSubstr("layer built"));
  EXPECT_EQ(fleet.replica(1).Metric("paddock_layer_builds_total"), 1);
  EXPECT_EQ(fleet.CountInLogs(kBegun), 2);
  EXPECT_EQ(fleet.CountInLogs(kDone), 1);
  // The first ended before the second began, wherever that was.
  std::vector<std::string> begun;
  std::string ended;
  for (int i = 0; i < 2; ++i) {
    const std::string log = fleet.agent(i).Log();
    for (absl::string_view line : absl::StrSplit(log, '\n')) {
      if (absl::StrContains(line, kBegun)) begun.emplace_back(line.substr(0, line.find(' ')));
    }
    if (ended.empty()) ended = TimeOf(log, "a build ended early");
    EXPECT_THAT(fleet.agent(i).Leftovers(), IsEmpty());
  }
  ASSERT_THAT(begun, SizeIs(2));
  EXPECT_NE(ended, "");
  EXPECT_LT(ended, *std::max_element(begun.begin(), begun.end()));
  const v1::Session session = fleet.Run(id, 1);
  EXPECT_EQ(fleet.Shell(session, "tree --version", 1).code, 0);
  fleet.Clear(1);
}

TEST(PackageFleetTest, LayersTravelThroughTheRegistryAndAreBuiltAgainWhenThatLosesThem) {
  TestRegistry registry;
  TestFleet fleet(1, {"--images_can_be_pulled"});
  TestAgent& builder = fleet.AddAgent(registry.Flags());
  fleet.Join(builder);
  const std::string first =
      fleet.CreateEnvironment({{"apt", {"tree"}}, {"pip", {"six==1.16.0"}}}).id();
  const std::string second = fleet.CreateEnvironment({{"pip", {"idna"}}}).id();
  const v1::EnvironmentImage image = fleet.Watch(first);
  ASSERT_EQ(image.state(), v1::IMAGE_STATE_READY) << image.ShortDebugString();
  const v1::EnvironmentImage lost = fleet.Watch(second);
  ASSERT_EQ(lost.state(), v1::IMAGE_STATE_READY) << lost.ShortDebugString();
  // Pushed before they were called READY.
  EXPECT_THAT(registry.Tags(), SizeIs(3));
  EXPECT_THAT(registry.Tags(), Contains(image.digest().substr(7)));

  TestAgent& other = fleet.AddAgent(registry.Flags());
  fleet.Join(other);
  fleet.Cordon(builder);
  const v1::Session session = fleet.Run(first);
  EXPECT_EQ(session.node_id(), other.node_id());
  EXPECT_EQ(fleet.Shell(session, "tree --version && python3 -c 'import six'").code, 0);
  EXPECT_EQ(fleet.ImageOf(first).digest(), image.digest());
  EXPECT_THAT(other.Layers(), Contains(image.digest()));
  EXPECT_FALSE(absl::StrContains(other.Log(), kBegun)) << "it was pulled, not built";

  registry.Lose();
  const v1::Session again = fleet.Run(second);
  EXPECT_EQ(again.node_id(), other.node_id());
  EXPECT_EQ(fleet.Shell(again, "python3 -c 'import idna'").code, 0);
  EXPECT_TRUE(absl::StrContains(other.Log(), kBegun));
  EXPECT_THAT(registry.Tags(), Contains(fleet.ImageOf(second).digest().substr(7)));
  fleet.Clear();
}

TEST(PackageFleetTest, ALimitedEnvironmentReachesItsRegistriesAndHostsAndNothingElse) {
  TestFleet fleet;
  fleet.Join(fleet.AddAgent({kSmallVolume}));
  const std::vector<std::string> no_hosts;
  const v1::Environment environment =
      fleet.CreateEnvironment({{"pip", {"six==1.16.0"}}}, 0, &no_hosts);
  const v1::EnvironmentImage image = fleet.Watch(environment.id());
  ASSERT_EQ(image.state(), v1::IMAGE_STATE_READY) << image.ShortDebugString();
  const v1::Session session = fleet.Run(environment.id());
  const ExecResult install =
      fleet.Shell(session,
                  "HOME=/tmp python3 -m pip install --no-cache-dir --target /tmp/more idna && "
                  "PYTHONPATH=/tmp/more python3 -c 'import idna, six'");
  EXPECT_EQ(install.code, 0) << install.out << install.err;
  const ExecResult refused = fleet.Shell(
      session, "curl --silent --show-error --fail --max-time 20 http://refused.example/");
  EXPECT_NE(refused.code, 0) << refused.out;
  v1::ListEgressEventsRequest request;
  request.set_session_id(session.id());
  v1::ListEgressEventsResponse events;
  EXPECT_TRUE(Eventually([&] {
    (void)fleet.client().sessions().ListEgressEvents(fleet.client().Context().get(), request,
                                                     &events);
    return std::any_of(events.events().begin(), events.events().end(), [](const auto& event) {
      return event.name() == "refused.example" && event.verdict() == v1::EGRESS_VERDICT_DENIED;
    });
  })) << events.ShortDebugString();
  fleet.Clear();
}

TEST(PackageFleetTest, AnInstallScriptThatReachesOutFailsTheImageWithTheHost) {
  TestFleet fleet;
  TestAgent& agent = fleet.AddAgent({kSmallVolume});
  agent.AddFlag(absl::StrCat("--base_image=", agent.AddBaseImage(HostileProjects())));
  fleet.Join(agent);
  const std::vector<std::string> hosts = {"allowed.example"};
  const std::string id = fleet.CreateEnvironment({{"pip", {"/opt/reach"}}}, 0, &hosts).id();
  const v1::EnvironmentImage image = fleet.Watch(id);
  ASSERT_EQ(image.state(), v1::IMAGE_STATE_FAILED) << image.ShortDebugString();
  EXPECT_EQ(image.failure().reason(), "EGRESS_DENIED");
  EXPECT_EQ(image.failure().manager(), "pip");
  EXPECT_EQ(image.failure().package(), "/opt/reach");
  EXPECT_NE(image.failure().exit_code(), 0);
  EXPECT_THAT(image.failure().message(), HasSubstr("refused.example"));
  EXPECT_THAT(image.failure().log_tail(), HasSubstr("at it"));
  EXPECT_EQ(fleet.replica(0).Metric("paddock_layer_build_seconds_count"), 1);
  // Others build on as if nothing had been.
  const std::string next = fleet.CreateEnvironment({{"pip", {"six"}}}, 0, &hosts).id();
  EXPECT_EQ(fleet.Watch(next).state(), v1::IMAGE_STATE_READY);
  EXPECT_THAT(agent.Leftovers(), IsEmpty());
  fleet.Clear();
}

}  // namespace
}  // namespace paddock::testing
