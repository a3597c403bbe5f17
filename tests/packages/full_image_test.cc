// Every tool that the base image `full` promises (deploy/base-image/tools.list), run in a session.

#include <gtest/gtest.h>
#include <stdlib.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "nodeagent/system/file.h"
#include "tests/packages/test_agent.h"

namespace paddock::testing {
namespace {

struct Tool {
  std::string name;
  std::vector<int> least;  // Empty: any version.
  std::vector<std::string> command;
};

std::vector<int> NumbersOf(absl::string_view version) {
  std::vector<int> numbers;
  for (absl::string_view part : absl::StrSplit(version, '.')) {
    int number = 0;
    if (!absl::SimpleAtoi(part.substr(0, part.find_first_not_of("0123456789")), &number)) break;
    numbers.push_back(number);
  }
  return numbers;
}

// The first number with a dot, or alone, in what a program says of itself.
std::vector<int> VersionIn(const std::string& text) {
  const size_t digit = text.find_first_of("0123456789");
  return digit == std::string::npos ? std::vector<int>() : NumbersOf(text.substr(digit));
}

std::vector<Tool> ReadTools() {
  std::vector<Tool> tools;
  const absl::StatusOr<std::string> text = nodeagent::ReadFile(PADDOCK_TOOLS_LIST);
  EXPECT_TRUE(text.ok()) << text.status();
  for (const absl::string_view line : absl::StrSplit(text.value_or(""), '\n', absl::SkipEmpty())) {
    if (line[0] == '#') continue;
    const std::vector<std::string> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    if (words.size() < 3) {
      ADD_FAILURE() << "bad line: " << line;
      continue;
    }
    tools.push_back({words[0],
                     words[1] == "-" ? std::vector<int>() : NumbersOf(words[1]),
                     {words.begin() + 2, words.end()}});
  }
  return tools;
}

TEST(FullImageTest, EveryToolIsThereForEveryUserAndNewEnough) {
  const char* const image = getenv("PADDOCK_TEST_FULL_IMAGE");
  if (image == nullptr) {
    GTEST_SKIP() << "PADDOCK_TEST_FULL_IMAGE names no image (deploy/base-image/build full)";
  }
  setenv("PADDOCK_TEST_IMAGE", image, 1);
  TestAgent agent(0, {"--volumes_bytes=6442450944"});
  ASSERT_EQ(agent.Start(), "");
  const std::string session = agent.StartSession("");
  ASSERT_NE(session, "");
  const std::vector<Tool> tools = ReadTools();
  EXPECT_GE(tools.size(), 40u);
  for (const Tool& tool : tools) {
    std::vector<std::string> command = {"env", "HOME=/tmp"};
    command.insert(command.end(), tool.command.begin(), tool.command.end());
    const CommandOutput output = agent.Run(session, command, "65534:65534");
    EXPECT_EQ(output.code, 0) << tool.name << ": " << output.text;
    if (!tool.least.empty()) {
      EXPECT_GE(VersionIn(output.text), tool.least) << output.text;
    }
    const std::string first = output.text.substr(0, output.text.find('\n'));
    printf("  %-10s %s\n", tool.name.c_str(), first.c_str());
  }
  EXPECT_TRUE(agent.StopSession(session).ok());
}

}  // namespace
}  // namespace paddock::testing
