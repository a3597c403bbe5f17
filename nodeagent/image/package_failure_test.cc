#include "nodeagent/image/package_failure.h"

#include <gtest/gtest.h>

namespace paddock::nodeagent {
namespace {

TEST(PackageFailureTest, FindsTheSpecThatAManagerBlames) {
  struct Case {
    const char* manager;
    const char* output;
    const char* want;
  };
  const Case cases[] = {
      {"apt", "Reading…\nE: Unable to locate package nosuch\n", "nosuch"},
      {"apt", "E: Version '9*' for 'jq' was not found\n", "jq=9*"},
      {"apt", "E: Package 'tree' has no installation candidate\n", "tree"},
      {"apt", "dpkg: error processing package needed (--configure):\n", "needed"},
      {"gem", "ERROR:  Could not find a valid gem 'nosuch' (>= 0) in any repository\n", "nosuch"},
      {"npm", "npm ERR! notarget No matching version found for express@99.0.0.\n",
       "express@99.0.0"},
      {"npm", "npm ERR! 404  '@scope/none@*' is not in this registry.\n", "@scope/none"},
      {"npm", "npm error path /usr/local/lib/node_modules/express\n", "express@99.0.0"},
      {"pip", "ERROR: No matching distribution found for six==99\n", "six==99"},
      {"pip", "ERROR: Failed to build 'pandas' when getting requirements\n", "pandas[x]==2.2.0"},
      {"pip", "  ERROR: Failed building wheel for other\n", "other"},
      {"pip", "ERROR: Cannot install six==99 and six==98 because these package versions have\n",
       "six==99"},
      {"pip", "ERROR: Directory '/etc' is not installable. Neither 'setup.py' nor\n", "/etc"},
      {"apt", "The following packages have unmet dependencies:\n tree : Conflicts: other\n",
       "tree"},
  };
  for (const Case& test : cases) {
    EXPECT_EQ(FailedPackage(
                  test.manager,
                  {"jq=9*", "tree", "express@99.0.0", "@scope/none", "six==99", "pandas[x]==2.2.0"},
                  test.output),
              test.want)
        << test.output;
  }
}

TEST(PackageFailureTest, NamesNoneWhereTheOutputDoesNot) {
  EXPECT_EQ(FailedPackage("pip", {"a", "b"}, "killed\n"), "");
  EXPECT_EQ(FailedPackage("pip", {"a"}, "killed\n"), "a");
  EXPECT_EQ(FailedPackage("apt", {"a", "b"}, "Unable to locate package "), "");
}

TEST(PackageFailureTest, KnowsWhenTheInterpreterDoesNotFit) {
  const char* passed_over =
      "ERROR: Ignored the following versions that require a different python version: 1.0 "
      "Requires-Python <3.12; 1.1 Requires-Python <3.13";
  for (const char* spec :
       {"a", "a<2", "a==1.0", "a[x]==1.1", "a==1.1;python_version>'3'", "a==1.*"}) {
    EXPECT_TRUE(BlamesInterpreter("pip", spec, passed_over)) << spec;
  }
  // There is no such version at all.
  EXPECT_FALSE(BlamesInterpreter("pip", "a==99.0", passed_over));
  EXPECT_TRUE(BlamesInterpreter("pip", "/src/a==1",
                                "ERROR: Package 'a' requires a different Python: 3.13.5 not in "
                                "'<3.12'"));
  EXPECT_FALSE(BlamesInterpreter("apt", "a", "Requires-Python"));
  EXPECT_FALSE(BlamesInterpreter("pip", "a", "No matching distribution found"));
}

TEST(PackageFailureTest, KnowsARegistryThatDidNotAnswer) {
  EXPECT_TRUE(
      BlamesRegistry("Could not connect to 192.0.2.1:80 - connect (111: Connection refused)"));
  EXPECT_TRUE(BlamesRegistry("npm error code ENOTFOUND"));
  EXPECT_TRUE(BlamesRegistry("dial tcp: lookup proxy.example: no such host"));
  EXPECT_FALSE(BlamesRegistry("E: Unable to locate package refused"));
}

TEST(PackageFailureTest, KnowsAFullDisk) {
  EXPECT_TRUE(BlamesDisk("cp: error writing 'x': Disk quota exceeded\n"));
  EXPECT_TRUE(BlamesDisk("tar: write error: No space left on device"));
  EXPECT_FALSE(BlamesDisk("disk is fine"));
}

}  // namespace
}  // namespace paddock::nodeagent
