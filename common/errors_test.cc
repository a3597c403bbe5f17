#include "common/errors.h"

#include <functional>
#include <set>

#include "absl/strings/str_cat.h"
#include "common/grpc_status.h"
#include "common/utf8.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace paddock {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;

std::vector<absl::Status> EveryError() {
  return {
      errors::InvalidField("name", "is required"),
      errors::InvalidField("metadata", "too many"),
      errors::InvalidConfigTypeChange("cloud", "self_hosted"),
      errors::InvalidPageToken(),
      errors::BetaHeaderMissing("managed-agents-2026-04-01"),
      errors::MessageTooLarge(4 << 20),
      errors::HeaderTooLarge(16 << 10),
      errors::MalformedRequest("the body is no JSON"),
      errors::RevisionTooOld(7),
      errors::ApiKeyMissing(),
      errors::ApiKeyInvalid(),
      errors::AdminKeyRequired(),
      errors::WorkspaceMismatch("other"),
      errors::RouteNotFound("/v2"),
      errors::HttpMethodNotAllowed("PUT", "/v1/environments"),
      errors::EnvironmentNotFound("env_1"),
      errors::AgentNotFound("agent_1"),
      errors::AgentVersionNotFound("agent_1", 3),
      errors::SessionNotFound("sesn_1"),
      errors::NodeNotFound("node_1"),
      errors::ApiKeyNotFound("apikey_1"),
      errors::PathNotFound("/x"),
      errors::ParentNotDirectory("/x/y"),
      errors::EnvironmentNameTaken("n"),
      errors::RequestIdReused("r"),
      errors::EnvironmentArchived("env_1"),
      errors::EnvironmentInUse("env_1", 1, {"sesn_1"}),
      errors::AgentArchived("agent_1"),
      errors::AgentVersionStale("agent_1", 1, 2),
      errors::ImageBuildFailed("env_1", "pip", "pandas", 1, "no wheel", "log"),
      errors::SessionNotRunning("sesn_1", "PENDING", "no room"),
      errors::SessionArchived("sesn_1"),
      errors::StaleGeneration("sesn_1", 1, 2),
      errors::RuntimeClassUnavailable("runsc", "no node has it"),
      errors::InvalidPath("/x", "is a directory"),
      errors::PathNotPermitted("/x", "Permission denied"),
      errors::ConcurrentChange(),
      errors::SelfHostedNotSupported("env_1"),
      errors::ForUser(absl::UnimplementedError("x")),
      errors::FieldNotSupported("budget", "isn't supported"),
      errors::NoModel("events"),
      errors::Overloaded("creates", absl::Seconds(1)),
      errors::TooManyExecs("sesn_1", 64),
      errors::DiskFull("node"),
      errors::PidsExhausted(),
      errors::SandboxExhausted("pipes"),
      errors::NodeUnreachable("node_1", "connection refused"),
      errors::ExecInterrupted(),
      errors::DatabaseUnavailable(),
      errors::CommitInDoubt(),
      errors::ShuttingDown(),
      errors::ForUser(absl::UnavailableError("x")),
      errors::DeadlineExceeded("x"),
      errors::Cancelled(),
      errors::Internal("x"),
  };
}

TEST(ErrorsTest, EveryReasonHasAFunctionAndEveryErrorItsReasonsCode) {
  std::set<ErrorReason> seen;
  for (const absl::Status& error : EveryError()) {
    const auto reason = ReasonOf(error);
    ASSERT_TRUE(reason.has_value()) << error;
    EXPECT_EQ(error.code(), TraitsOf(*reason).code) << error;
    EXPECT_FALSE(error.message().empty());
    seen.insert(*reason);
  }
  EXPECT_EQ(seen.size(), kAllErrorReasons.size());
}

TEST(ErrorsTest, UnavailableAndOverloadTellWhenToRetry) {
  for (const absl::Status& error : EveryError()) {
    const ErrorTraits& traits = TraitsOf(*ReasonOf(error));
    if (traits.retryable && traits.http_status != 504) {
      ASSERT_TRUE(RetryDelayOf(error).has_value()) << error;
      EXPECT_GT(*RetryDelayOf(error), absl::ZeroDuration()) << error;
    } else {
      EXPECT_EQ(RetryDelayOf(error), std::nullopt) << error;
    }
  }
}

TEST(ErrorsTest, AllViolationsAreCarriedAndTheFirstAreNamed) {
  const std::vector<FieldViolation> violations = {
      {"name", "is required"}, {"description", "too long"}, {"a", "x"}, {"b", "y"}};
  const absl::Status error = errors::InvalidFields(violations);
  EXPECT_EQ(error.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReasonOf(error), ErrorReason::kInvalidField);
  EXPECT_EQ(ViolationsOf(error), violations);
  EXPECT_EQ(error.message(), "name: is required; description: too long; a: x; and 1 more");
}

TEST(ErrorsTest, MetadataAloneHasAReasonOfItsOwn) {
  EXPECT_EQ(ReasonOf(errors::InvalidFields({{"metadata", "x"}, {"metadata[\"k\"]", "y"}})),
            ErrorReason::kInvalidMetadata);
  EXPECT_EQ(ReasonOf(errors::InvalidFields({{"metadata", "x"}, {"name", "y"}})),
            ErrorReason::kInvalidField);
  EXPECT_EQ(ReasonOf(errors::InvalidField("metadata_of_another_kind", "x")),
            ErrorReason::kInvalidField);
}

TEST(ErrorsTest, AFloodOfViolationsStaysSmall) {
  const std::vector<FieldViolation> flood(5000, {std::string(300, 'f'), std::string(300, 'd')});
  const absl::Status error = errors::InvalidFields(flood);
  size_t bytes = error.message().size();
  for (const FieldViolation& violation : ViolationsOf(error)) {
    bytes += violation.field.size() + violation.description.size();
  }
  EXPECT_LT(bytes, 4000u);
  EXPECT_THAT(ViolationsOf(error), SizeIs(testing::Ge(1u)));
}

TEST(ErrorsTest, InUseNamesTheNumberAndTheFirstIds) {
  const absl::Status error = errors::EnvironmentInUse("env_1", 7, {"sesn_a", "sesn_b"});
  EXPECT_THAT(std::string(error.message()), HasSubstr("7 sessions: sesn_a, sesn_b, …"));
  EXPECT_THAT(ErrorMetadataOf(error),
              ElementsAre(Pair("session_count", "7"), Pair("session_ids", "sesn_a, sesn_b")));
}

TEST(ErrorsTest, NamesAreQuotedInFullAndHarmless) {
  const std::string emoji = "😀";
  std::string name;
  for (int i = 0; i < 256; ++i) name += emoji;
  EXPECT_THAT(std::string(errors::EnvironmentNameTaken(name).message()), HasSubstr(name));
  EXPECT_THAT(std::string(errors::EnvironmentNotFound(std::string(1 << 20, 'x')).message()),
              SizeIs(testing::Lt(200u)));
  const std::string message(errors::SessionNotFound("\xff\n\"").message());
  EXPECT_TRUE(CountCodePoints(message).has_value());
  EXPECT_THAT(message, HasSubstr("\"\uFFFD\\u000a\\\"\""));
}

TEST(ErrorsTest, AFailedBuildsLinesStayLines) {
  const absl::Status status = errors::ImageBuildFailed(
      "env_1", "pip", "", 1, "", "one\ntwo\tthree \\u000a \\\nfour \"4\" \x1b[0m\n");
  EXPECT_EQ(std::string(status.message()),
            "the image of environment \"env_1\" failed to build: pip, exit code 1\n"
            "one\ntwo\tthree \\u000a \\\nfour \"4\" \\u001b[0m");
}

TEST(ErrorsTest, AFailedBuildsLastLinesAreTheOnesThatAreTold) {
  std::string log;
  for (int i = 0; i < 200; ++i) absl::StrAppend(&log, "line ", i, ": Get:1 http://archive ✓\n");
  log += "E: Unable to locate package nothing\n";
  const std::string package(256, 'p');
  const absl::Status status =
      errors::ImageBuildFailed("env_1", "apt", package, 100, std::string(5000, 'w'), log);
  // What gRPC clients see of it, too.
  const absl::Status seen = FromGrpcStatus(ToGrpcStatus(status));
  EXPECT_EQ(seen, status);
  EXPECT_LE(seen.message().size(), kMaxErrorMessageBytes);
  EXPECT_THAT(std::string(seen.message()),
              testing::AllOf(HasSubstr("exit code 100"), HasSubstr("\nline 199: "),
                             testing::EndsWith("\nE: Unable to locate package nothing")));
  const ErrorMetadata metadata = ErrorMetadataOf(seen);
  EXPECT_EQ(metadata.at("manager"), "apt");
  EXPECT_EQ(metadata.at("package"), package);
  EXPECT_EQ(metadata.at("exit_code"), "100");
  EXPECT_THAT(metadata.at("log_tail"), testing::EndsWith("E: Unable to locate package nothing"));
  EXPECT_THAT(metadata.at("log_tail"), HasSubstr("line 180: "));
}

TEST(ErrorsTest, WhatNamesAFieldHasAViolationOfIt) {
  for (const absl::Status& error : EveryError()) {
    if (ReasonOf(error) == ErrorReason::kNoModel) continue;  // It names what is asked for.
    const std::string message(error.message());
    const std::string named = message.substr(0, message.find(": "));
    // Fields have no blanks, nor have they hyphens, as headers do.
    const bool is_field =
        named.find_first_not_of("abcdefghijklmnopqrstuvwxyz_.") == std::string::npos;
    if (named == message || !is_field) continue;
    ASSERT_FALSE(ViolationsOf(error).empty()) << error;
    EXPECT_EQ(ViolationsOf(error)[0].field, named);
    EXPECT_THAT(message, HasSubstr(ViolationsOf(error)[0].description));
  }
  EXPECT_EQ(ViolationsOf(errors::EnvironmentNameTaken("n"))[0].field, "name");
  EXPECT_EQ(ViolationsOf(errors::RequestIdReused("r"))[0].field, "request_id");
}

TEST(ErrorsTest, ForUserKeepsCataloguedErrors) {
  const absl::Status error = errors::DatabaseUnavailable();
  EXPECT_EQ(errors::ForUser(error), error);
  EXPECT_TRUE(errors::ForUser(absl::OkStatus()).ok());
}

TEST(ErrorsTest, ForUserHidesInternalsAndNamesForeignErrors) {
  const absl::Status hidden = errors::ForUser(absl::InternalError("SELECT secret FROM t"));
  EXPECT_EQ(ReasonOf(hidden), ErrorReason::kInternal);
  EXPECT_EQ(hidden.message(), "internal error");
  for (auto code : {absl::StatusCode::kUnknown, absl::StatusCode::kDataLoss,
                    absl::StatusCode::kNotFound, absl::StatusCode::kFailedPrecondition}) {
    EXPECT_EQ(ReasonOf(errors::ForUser(absl::Status(code, "x"))), ErrorReason::kInternal) << code;
  }
  const absl::Status late = errors::ForUser(absl::DeadlineExceededError("x"));
  EXPECT_EQ(ReasonOf(late), ErrorReason::kDeadlineExceeded);
  EXPECT_EQ(late.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(ReasonOf(errors::ForUser(absl::CancelledError())), ErrorReason::kCancelled);
  EXPECT_EQ(ReasonOf(errors::ForUser(absl::UnimplementedError("x"))),
            ErrorReason::kMethodNotSupportedYet);
}

TEST(ErrorDetailsTest, RetryDelayKeepsItsFraction) {
  absl::Status status = MakeError(ErrorReason::kOverloaded, "x");
  SetRetryDelay(&status, absl::Milliseconds(1250));
  EXPECT_EQ(RetryDelayOf(status), absl::Milliseconds(1250));
}

TEST(ErrorDetailsTest, AStatusWithoutDetailsHasNone) {
  const absl::Status status = absl::NotFoundError("x");
  EXPECT_EQ(ReasonOf(status), std::nullopt);
  EXPECT_EQ(RetryDelayOf(status), std::nullopt);
  EXPECT_THAT(ViolationsOf(status), IsEmpty());
  EXPECT_THAT(ErrorMetadataOf(status), IsEmpty());
}

TEST(ErrorDetailsTest, GarbledAndForeignDetailsAreIgnored) {
  absl::Status status = absl::NotFoundError("x");
  status.SetPayload("type.googleapis.com/google.rpc.ErrorInfo", absl::Cord("\xff\xff garbage"));
  EXPECT_EQ(ReasonOf(status), std::nullopt);
  // ErrorInfo{reason: "INTERNAL", domain: "other"}.
  status.SetPayload("type.googleapis.com/google.rpc.ErrorInfo",
                    absl::Cord("\x0a\x08INTERNAL\x12\x05other"));
  EXPECT_EQ(ReasonOf(status), std::nullopt);
}

}  // namespace
}  // namespace paddock
