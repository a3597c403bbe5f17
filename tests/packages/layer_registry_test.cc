// Layers travel from the node that built them to one that didn't, through an OCI registry.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "nodeagent/system/subprocess.h"
#include "tests/packages/test_agent.h"
#include "tests/packages/test_registry.h"

namespace paddock::testing {
namespace {

TEST(LayerRegistryTest, ANodeThatLacksAnImagePullsAllOfIt) {
  TestRegistry registry;
  TestAgent builder(0, registry.Flags());
  ASSERT_EQ(builder.Start(), "");
  const BuildResult apt = builder.Install("apt", {"tree"});
  ASSERT_TRUE(apt.ok()) << apt.Text();
  const BuildResult pip = builder.Install("pip", {"six==1.16.0"}, apt.built.digest());
  ASSERT_TRUE(pip.ok()) << pip.Text();

  TestAgent other(1, registry.Flags());
  ASSERT_EQ(other.Start(), "");
  EXPECT_EQ(other.Layers().size(), 1u);
  const std::string session = other.StartSession(pip.built.digest());
  ASSERT_NE(session, "");
  EXPECT_EQ(other.Run(session, {"python3", "-c", "import six; print(six.__version__)"}).text,
            "1.16.0\n");
  EXPECT_EQ(other.Run(session, {"tree", "--version"}, "65534:65534").code, 0);
  EXPECT_TRUE(other.StopSession(session).ok());
  EXPECT_EQ(other.Layers(), builder.Layers());
  // What was pulled serves a build too, and its cache key is known.
  const BuildResult more = other.Install("pip", {"idna"}, pip.built.digest());
  EXPECT_TRUE(more.ok()) << more.Text();
  internal::v1::BuildLayerRequest unknown = other.Request("pip", {"six"});
  unknown.set_parent(absl::StrCat("sha256:", std::string(64, '0')));
  EXPECT_EQ(other.Build(unknown).failure.reason(), "PARENT_MISSING");
}

TEST(LayerRegistryTest, AnotherLayerUnderTheNameOfTheRightOneIsNotBelieved) {
  TestRegistry registry;
  TestAgent builder(0, registry.Flags());
  ASSERT_EQ(builder.Start(), "");
  const BuildResult right = builder.Install("pip", {"six==1.16.0"});
  ASSERT_TRUE(right.ok()) << right.Text();
  const BuildResult wrong = builder.Install("pip", {"idna"});
  ASSERT_TRUE(wrong.ok()) << wrong.Text();
  const auto copied = nodeagent::RunChecked(
      {{"skopeo", "copy", "--src-tls-verify=false", "--dest-tls-verify=false",
        registry.Reference(wrong.built.digest()), registry.Reference(right.built.digest())}});
  ASSERT_TRUE(copied.ok()) << copied.status();
  TestAgent other(1, registry.Flags());
  ASSERT_EQ(other.Start(), "");
  const BuildResult refused = other.Install("pip", {"toml"}, right.built.digest());
  EXPECT_TRUE(absl::IsDataLoss(refused.status)) << refused.Text();
  EXPECT_EQ(other.Layers().size(), 1u);
}

}  // namespace
}  // namespace paddock::testing
