#include "nodeagent/init/files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "common/error_details.h"
#include "nodeagent/init/file_protocol.h"

namespace paddock::nodeagent {
namespace {

using file_protocol::Step;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

absl::Status After(Step step, int error) {
  file_protocol::ErrorRecord record = {file_protocol::kMagic, static_cast<uint32_t>(step), error};
  return FileCommandStatus({file_protocol::kFailedCode, 0},
                           {reinterpret_cast<const char*>(&record), sizeof(record)}, "/x");
}

TEST(FileSpecsTest, BuildsCommands) {
  absl::StatusOr<ExecSpec> spec = ReadFileCommand("a/b", 5, 0);
  ASSERT_TRUE(spec.ok());
  EXPECT_THAT(spec->command, ElementsAre("/.paddock/init", "cat", "/workspace/a/b", "5", "0"));
  EXPECT_EQ(spec->cwd, "/");
  EXPECT_THAT(WriteFileCommand("/x", 0640)->command,
              ElementsAre("/.paddock/init", "write", "/x", "640"));
  EXPECT_THAT(ListDirectoryCommand("-l")->command,
              ElementsAre("/.paddock/init", "list", "/workspace/-l"));
}

TEST(FileSpecsTest, RefusesBadArguments) {
  EXPECT_TRUE(absl::IsInvalidArgument(ReadFileCommand("", 0, 0).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(ReadFileCommand(std::string("a\0", 2), 0, 0).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(ReadFileCommand(std::string(5000, 'a'), 0, 0).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(ReadFileCommand("/x", -1, 0).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(ReadFileCommand("/x", 0, -1).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(WriteFileCommand("/x", 010000).status()));
}

TEST(FileCommandStatusTest, MapsErrors) {
  EXPECT_TRUE(FileCommandStatus({0, 0}, "", "/x").ok());
  EXPECT_TRUE(absl::IsNotFound(After(Step::kOpen, ENOENT)));
  EXPECT_TRUE(absl::IsFailedPrecondition(After(Step::kKind, EISDIR)));
  EXPECT_THAT(After(Step::kKind, EINVAL).message(), HasSubstr("not a regular file"));
  EXPECT_TRUE(absl::IsResourceExhausted(After(Step::kWrite, EDQUOT)));
  EXPECT_TRUE(absl::IsResourceExhausted(After(Step::kWrite, ENOSPC)));
  EXPECT_TRUE(absl::IsPermissionDenied(After(Step::kCreate, EACCES)));
  EXPECT_TRUE(absl::IsCancelled(After(Step::kInput, ECANCELED)));
  EXPECT_THAT(After(Step::kOpen, ENOENT).message(), HasSubstr("\"/x\""));
}

TEST(FileSpecsTest, NamesTheFieldAndItsRule) {
  const auto field = [](const absl::StatusOr<ExecSpec>& spec) {
    const std::vector<FieldViolation> violations = ViolationsOf(spec.status());
    return violations.size() == 1 ? violations[0].field : spec.status().ToString();
  };
  EXPECT_EQ(field(ReadFileCommand("", 0, 0)), "path");
  EXPECT_EQ(field(ReadFileCommand("/x", -1, 0)), "offset");
  EXPECT_EQ(field(ReadFileCommand("/x", 0, -1)), "limit");
  EXPECT_EQ(field(WriteFileCommand("", 0)), "start.path");
  EXPECT_EQ(field(WriteFileCommand("/x", 010000)), "start.mode");
  EXPECT_EQ(field(ListDirectoryCommand(std::string(5000, 'a'))), "path");
}

TEST(FileCommandStatusTest, HasAReasonForWhateverTheUserDid) {
  EXPECT_EQ(ReasonOf(After(Step::kOpen, ENOENT)), ErrorReason::kPathNotFound);
  EXPECT_EQ(ReasonOf(After(Step::kParents, ENOTDIR)), ErrorReason::kPathNotFound);
  EXPECT_EQ(ReasonOf(After(Step::kKind, EISDIR)), ErrorReason::kInvalidPath);
  EXPECT_EQ(ReasonOf(After(Step::kOpen, ELOOP)), ErrorReason::kInvalidPath);
  EXPECT_EQ(ReasonOf(After(Step::kRead, EIO)), ErrorReason::kInvalidPath);
  EXPECT_EQ(ReasonOf(After(Step::kCreate, ENAMETOOLONG)), ErrorReason::kInvalidField);
  for (const int error : {EACCES, EPERM}) {
    EXPECT_EQ(ReasonOf(After(Step::kCreate, error)), ErrorReason::kPathNotPermitted);
  }
  EXPECT_EQ(ReasonOf(After(Step::kRead, ENOMEM)), ErrorReason::kSandboxExhausted);
  for (const int error : {ENOSPC, EDQUOT}) {
    EXPECT_EQ(ReasonOf(After(Step::kWrite, error)), ErrorReason::kDiskFull);
    EXPECT_EQ(RetryDelayOf(After(Step::kWrite, error)), std::nullopt);
  }
  EXPECT_EQ(ReasonOf(FileCommandStatus({0, 9}, "", "/x")), ErrorReason::kUnavailable);
}

TEST(FileCommandStatusTest, TrustsNoRecord) {
  EXPECT_TRUE(absl::IsInternal(FileCommandStatus({1, 0}, "", "/x")));
  EXPECT_TRUE(absl::IsInternal(FileCommandStatus({1, 0}, "rubbish that is long", "/x")));
  EXPECT_TRUE(absl::IsInternal(After(static_cast<Step>(99), ENOENT)));
  EXPECT_TRUE(absl::IsInternal(After(Step::kOpen, -1)));
  EXPECT_TRUE(absl::IsUnavailable(FileCommandStatus({0, 9}, "", "/x")));
}

}  // namespace
}  // namespace paddock::nodeagent
