// Layers are collected by an agent that runs, under its budget of disk.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/packages/hostile_projects.h"
#include "tests/packages/test_agent.h"
#include "tests/packages/test_fleet.h"

namespace paddock::testing {
namespace {

using ::testing::Contains;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

// As if nobody had used any layer but `fresh` for an hour: the time of its manifest is that of its
// last use. For an agent that doesn't run, because it remembers.
void Age(const TestAgent& agent, const std::set<std::string>& fresh) {
  const timespec hour_ago = absl::ToTimespec(absl::Now() - absl::Hours(1));
  const timespec times[2] = {hour_ago, hour_ago};
  for (const std::string& layer : agent.Layers()) {
    if (fresh.count(layer) > 0) continue;
    const std::string manifest = absl::StrCat(agent.volumes(), "/layers/", layer, "/manifest.json");
    EXPECT_EQ(utimensat(AT_FDCWD, manifest.c_str(), times, 0), 0) << manifest;
  }
}

// The agent looks every ten seconds.
constexpr absl::Duration kPatience = absl::Seconds(40);

TEST(LayerCollectionTest, ARunningAgentKeepsToItsBudgetAndNeverTakesWhatIsInUse) {
  // Nothing at all is within this budget.
  TestAgent agent(0, {"--layers_bytes=1", "--volumes_bytes=2147483648"});
  const std::string hostile = agent.AddBaseImage(HostileProjects());
  ASSERT_EQ(agent.Start(), "");
  const BuildResult below = agent.Install("pip", {"six"});
  const BuildResult used = agent.Install("pip", {"idna"}, below.built.digest());
  const BuildResult unused = agent.Install("pip", {"toml"}, below.built.digest());
  internal::v1::BuildLayerRequest request = agent.Request("pip", {"attrs"});
  request.set_base_image(hostile);
  const BuildResult built_on = agent.Build(request);
  for (const BuildResult* result : {&below, &used, &unused, &built_on}) {
    ASSERT_TRUE(result->ok()) << result->Text();
  }
  const std::string session = agent.StartSession(used.built.digest());
  ASSERT_NE(session, "");
  const std::vector<std::string> import = {"python3", "-c", "import six, idna"};

  agent.Kill();
  Age(agent, {hostile, built_on.built.digest()});
  ASSERT_EQ(agent.Start(), "");
  // A build that goes on until it is cancelled.
  request = agent.Request("pip", {"/opt/loop"});
  request.set_base_image(hostile);
  request.set_parent(built_on.built.digest());
  std::atomic<bool> enough{false};
  std::atomic<bool> begun{false};
  std::thread build([&] {
    (void)agent.Build(request, [&](grpc::ClientContext* context, const std::string& line) {
      if (line.find("pip install") == std::string::npos) return;
      begun = true;
      while (!enough) absl::SleepFor(absl::Milliseconds(20));
      context->TryCancel();
    });
  });
  EXPECT_TRUE(Eventually([&] { return begun.load(); }));
  EXPECT_TRUE(Eventually([&] { return agent.Layers().size() == 5; }, kPatience))
      << agent.Layers().size();
  EXPECT_THAT(agent.Layers(),
              UnorderedElementsAre(agent.base_image(), hostile, below.built.digest(),
                                   used.built.digest(), built_on.built.digest()));
  EXPECT_EQ(agent.Run(session, import).code, 0) << agent.Run(session, import).text;
  enough = true;
  build.join();
  EXPECT_TRUE(agent.StopSession(session).ok());
  EXPECT_TRUE(Eventually([&] { return agent.Layers().size() == 3; }, kPatience));
  // What the build stood on was used a moment ago.
  EXPECT_THAT(agent.Layers(),
              UnorderedElementsAre(agent.base_image(), hostile, built_on.built.digest()));
  EXPECT_THAT(agent.Leftovers(), IsEmpty());
}

TEST(LayerCollectionTest, AnEnvironmentWhoseLayersWereCollectedIsBuiltAgainForItsNextSession) {
  TestFleet fleet;
  TestAgent& agent = fleet.AddAgent({"--layers_bytes=1", "--volumes_bytes=2147483648"});
  fleet.Join(agent);
  const std::string id = fleet.CreateEnvironment({{"pip", {"six"}}}).id();
  const std::string digest = fleet.Watch(id).digest();
  ASSERT_THAT(agent.Layers(), Contains(digest));
  agent.Kill();
  Age(agent, {});
  fleet.Join(agent);
  EXPECT_TRUE(Eventually([&] { return agent.Layers().size() == 1; }, kPatience));
  const v1::Session session = fleet.Run(id);
  EXPECT_EQ(fleet.Shell(session, "python3 -c 'import six'").code, 0);
  EXPECT_THAT(agent.Layers(), Contains(fleet.ImageOf(id).digest()));
  EXPECT_THAT(fleet.ImageOf(id).layers(), Not(IsEmpty()));
  fleet.Clear();
}

}  // namespace
}  // namespace paddock::testing
