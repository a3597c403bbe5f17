#include "nodeagent/image/image_facts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include "absl/strings/match.h"
#include "nodeagent/system/file.h"

namespace paddock::nodeagent {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ImageFactsTest : public ::testing::Test {
 protected:
  ImageFactsTest() {
    char name[] = "/var/tmp/paddock-facts-XXXXXX";
    base_.root_dir = mkdtemp(name);
  }
  ~ImageFactsTest() override { RemoveTree(base_.root_dir).IgnoreError(); }
  void Add(const std::string& file, const std::string& text = "") {
    const std::string path = base_.root_dir + file;
    ASSERT_TRUE(MakeDirectories(path.substr(0, path.rfind('/'))).ok());
    ASSERT_TRUE(WriteFile(path, text).ok());
  }
  Layer base_;
};

TEST_F(ImageFactsTest, FindsManagersInThePathOfTheImage) {
  EXPECT_THAT(ManagersOf(base_), IsEmpty());
  Add("/usr/bin/pip3");
  Add("/usr/bin/apt-get");
  Add("/usr/local/go/bin/go");
  EXPECT_THAT(ManagersOf(base_), ElementsAre("apt", "pip"));
  base_.environment = {"LANG=C", "PATH=/usr/local/go/bin:/usr/bin"};
  EXPECT_THAT(ManagersOf(base_), ElementsAre("apt", "go", "pip"));
  // A link is a program too, wherever it leads.
  ASSERT_EQ(symlink("../lib/node_modules/npm", (base_.root_dir + "/usr/bin/npm").c_str()), 0);
  EXPECT_THAT(ManagersOf(base_), ElementsAre("apt", "go", "npm", "pip"));
}

TEST_F(ImageFactsTest, AddedCertificatesChangeTheDigest) {
  EXPECT_EQ(CaBundleDigest(base_), "");
  Add("/usr/local/share/ca-certificates/README");
  EXPECT_EQ(CaBundleDigest(base_), "");
  Add("/usr/local/share/ca-certificates/company.crt", "one");
  const std::string one = CaBundleDigest(base_);
  EXPECT_TRUE(absl::StartsWith(one, "sha256:")) << one;
  Add("/usr/local/share/ca-certificates/company.crt", "two");
  EXPECT_NE(CaBundleDigest(base_), one);
}

}  // namespace
}  // namespace paddock::nodeagent
