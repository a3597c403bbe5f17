#include "common/error_catalogue.h"

#include <set>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace paddock {
namespace {

TEST(ErrorCatalogueTest, ReasonsStandInTheOrderOfTheirEnum) {
  for (size_t i = 0; i < kAllErrorReasons.size(); ++i) {
    EXPECT_EQ(static_cast<size_t>(kAllErrorReasons[i]), i);
  }
  EXPECT_EQ(static_cast<size_t>(ErrorReason::kInternal), kAllErrorReasons.size() - 1);
}

TEST(ErrorCatalogueTest, NamesAreDistinctUpperSnakeAndParseBack) {
  std::set<std::string> names;
  for (ErrorReason reason : kAllErrorReasons) {
    const std::string name(TraitsOf(reason).name);
    EXPECT_THAT(name, testing::MatchesRegex("[A-Z][A-Z_]*[A-Z]"));
    EXPECT_TRUE(names.insert(name).second) << name;
    EXPECT_EQ(ParseErrorReason(name), reason);
  }
  EXPECT_EQ(ParseErrorReason("NO_SUCH_REASON"), std::nullopt);
  EXPECT_EQ(ParseErrorReason(""), std::nullopt);
}

// Names are a promise to clients: each line of the table is held against its reason.
TEST(ErrorCatalogueTest, StableNamesAndCodes) {
  struct Line {
    ErrorReason reason;
    const char* name;
    absl::StatusCode code;
    int http;
    const char* error_code;
  };
  using R = ErrorReason;
  using C = absl::StatusCode;
  const Line lines[] = {
      {R::kInvalidField, "INVALID_FIELD", C::kInvalidArgument, 400, "invalid_field"},
      {R::kInvalidMetadata, "INVALID_METADATA", C::kInvalidArgument, 400, "invalid_metadata"},
      {R::kInvalidConfigTypeChange, "INVALID_CONFIG_TYPE_CHANGE", C::kInvalidArgument, 400,
       "invalid_config_type_change"},
      {R::kInvalidPageToken, "INVALID_PAGE_TOKEN", C::kInvalidArgument, 400, "invalid_page_token"},
      {R::kBetaHeaderMissing, "BETA_HEADER_MISSING", C::kInvalidArgument, 400,
       "beta_header_missing"},
      {R::kMessageTooLarge, "MESSAGE_TOO_LARGE", C::kResourceExhausted, 413, "message_too_large"},
      {R::kHeaderTooLarge, "HEADER_TOO_LARGE", C::kResourceExhausted, 431, "header_too_large"},
      {R::kMalformedRequest, "MALFORMED_REQUEST", C::kInvalidArgument, 400, "malformed_request"},
      {R::kRevisionTooOld, "REVISION_TOO_OLD", C::kOutOfRange, 400, "revision_too_old"},
      {R::kApiKeyMissing, "API_KEY_MISSING", C::kUnauthenticated, 401, "api_key_missing"},
      {R::kApiKeyInvalid, "API_KEY_INVALID", C::kUnauthenticated, 401, "api_key_invalid"},
      {R::kAdminKeyRequired, "ADMIN_KEY_REQUIRED", C::kPermissionDenied, 403, "admin_key_required"},
      {R::kWorkspaceMismatch, "WORKSPACE_MISMATCH", C::kPermissionDenied, 403,
       "workspace_mismatch"},
      {R::kRouteNotFound, "ROUTE_NOT_FOUND", C::kNotFound, 404, "route_not_found"},
      {R::kHttpMethodNotAllowed, "HTTP_METHOD_NOT_ALLOWED", C::kUnimplemented, 405,
       "http_method_not_allowed"},
      {R::kEnvironmentNotFound, "ENVIRONMENT_NOT_FOUND", C::kNotFound, 404,
       "environment_not_found"},
      {R::kAgentNotFound, "AGENT_NOT_FOUND", C::kNotFound, 404, "agent_not_found"},
      {R::kSessionNotFound, "SESSION_NOT_FOUND", C::kNotFound, 404, "session_not_found"},
      {R::kNodeNotFound, "NODE_NOT_FOUND", C::kNotFound, 404, "node_not_found"},
      {R::kApiKeyNotFound, "API_KEY_NOT_FOUND", C::kNotFound, 404, "api_key_not_found"},
      {R::kPathNotFound, "PATH_NOT_FOUND", C::kNotFound, 404, "path_not_found"},
      {R::kEnvironmentNameTaken, "ENVIRONMENT_NAME_TAKEN", C::kAlreadyExists, 409,
       "environment_name_taken"},
      {R::kRequestIdReused, "REQUEST_ID_REUSED", C::kAlreadyExists, 409, "request_id_reused"},
      {R::kEnvironmentArchived, "ENVIRONMENT_ARCHIVED", C::kFailedPrecondition, 400,
       "environment_archived"},
      {R::kEnvironmentInUse, "ENVIRONMENT_IN_USE", C::kFailedPrecondition, 409,
       "environment_in_use"},
      {R::kAgentArchived, "AGENT_ARCHIVED", C::kFailedPrecondition, 400, "agent_archived"},
      {R::kAgentVersionStale, "AGENT_VERSION_STALE", C::kAborted, 409, "agent_version_stale"},
      {R::kImageBuildFailed, "IMAGE_BUILD_FAILED", C::kFailedPrecondition, 400,
       "image_build_failed"},
      {R::kSessionNotRunning, "SESSION_NOT_RUNNING", C::kFailedPrecondition, 409,
       "session_not_running"},
      {R::kSessionArchived, "SESSION_ARCHIVED", C::kFailedPrecondition, 400, "session_archived"},
      {R::kStaleGeneration, "STALE_GENERATION", C::kFailedPrecondition, 409, "stale_generation"},
      {R::kRuntimeClassUnavailable, "RUNTIME_CLASS_UNAVAILABLE", C::kFailedPrecondition, 400,
       "runtime_class_unavailable"},
      {R::kInvalidPath, "INVALID_PATH", C::kFailedPrecondition, 400, "invalid_path"},
      {R::kPathNotPermitted, "PATH_NOT_PERMITTED", C::kPermissionDenied, 403, "path_not_permitted"},
      {R::kConcurrentChange, "CONCURRENT_CHANGE", C::kAborted, 409, "concurrent_change"},
      {R::kSelfHostedNotSupported, "SELF_HOSTED_NOT_SUPPORTED", C::kUnimplemented, 501,
       "self_hosted_not_supported"},
      {R::kMethodNotSupportedYet, "METHOD_NOT_SUPPORTED_YET", C::kUnimplemented, 501,
       "method_not_supported_yet"},
      {R::kFieldNotSupported, "FIELD_NOT_SUPPORTED", C::kUnimplemented, 501, "field_not_supported"},
      {R::kNoModel, "NO_MODEL", C::kUnimplemented, 501, "no_model"},
      {R::kOverloaded, "OVERLOADED", C::kResourceExhausted, 429, "overloaded"},
      {R::kTooManyExecs, "TOO_MANY_EXECS", C::kResourceExhausted, 429, "too_many_execs"},
      {R::kDiskFull, "DISK_FULL", C::kResourceExhausted, 400, "disk_full"},
      {R::kPidsExhausted, "PIDS_EXHAUSTED", C::kResourceExhausted, 400, "pids_exhausted"},
      {R::kSandboxExhausted, "SANDBOX_EXHAUSTED", C::kResourceExhausted, 400, "sandbox_exhausted"},
      {R::kNodeUnreachable, "NODE_UNREACHABLE", C::kUnavailable, 503, "node_unreachable"},
      {R::kExecInterrupted, "EXEC_INTERRUPTED", C::kUnavailable, 503, "exec_interrupted"},
      {R::kDatabaseUnavailable, "DATABASE_UNAVAILABLE", C::kUnavailable, 503,
       "database_unavailable"},
      {R::kCommitInDoubt, "COMMIT_IN_DOUBT", C::kUnavailable, 503, "commit_in_doubt"},
      {R::kShuttingDown, "SHUTTING_DOWN", C::kUnavailable, 503, "shutting_down"},
      {R::kUnavailable, "UNAVAILABLE", C::kUnavailable, 503, "unavailable"},
      {R::kDeadlineExceeded, "DEADLINE_EXCEEDED", C::kDeadlineExceeded, 504, "deadline_exceeded"},
      {R::kCancelled, "CANCELLED", C::kCancelled, 499, "cancelled"},
      {R::kInternal, "INTERNAL", C::kInternal, 500, "internal"},
  };
  std::set<ErrorReason> seen;
  for (const Line& line : lines) {
    const ErrorTraits& traits = TraitsOf(line.reason);
    EXPECT_EQ(traits.name, line.name);
    EXPECT_EQ(traits.code, line.code) << line.name;
    EXPECT_EQ(traits.http_status, line.http) << line.name;
    EXPECT_EQ(traits.error_code, line.error_code) << line.name;
    seen.insert(line.reason);
  }
  EXPECT_EQ(seen.size(), kAllErrorReasons.size()) << "every reason has its line here";
}

TEST(ErrorCatalogueTest, ErrorTypeFitsTheHttpStatus) {
  for (ErrorReason reason : kAllErrorReasons) {
    const ErrorTraits& traits = TraitsOf(reason);
    const std::string type(traits.error_type);
    switch (traits.http_status) {
      case 401:
        EXPECT_EQ(type, "authentication_error") << traits.name;
        break;
      case 403:
        EXPECT_EQ(type, "permission_error") << traits.name;
        break;
      case 404:
        EXPECT_EQ(type, "not_found_error") << traits.name;
        break;
      case 409:
        EXPECT_EQ(type, "conflict_error") << traits.name;
        break;
      case 429:
        EXPECT_EQ(type, "rate_limit_error") << traits.name;
        break;
      case 400:
      case 405:
      case 413:
      case 431:
      case 499:
        EXPECT_EQ(type, "invalid_request_error") << traits.name;
        break;
      default:
        EXPECT_GE(traits.http_status, 500) << traits.name;
    }
  }
}

TEST(ErrorCatalogueTest, WhatTheCallerMustChangeIsNotRetryable) {
  for (ErrorReason reason : kAllErrorReasons) {
    const ErrorTraits& traits = TraitsOf(reason);
    if (traits.http_status < 429 && reason != ErrorReason::kConcurrentChange) {
      EXPECT_FALSE(traits.retryable) << traits.name;
    }
  }
  EXPECT_TRUE(TraitsOf(ErrorReason::kOverloaded).retryable);
  EXPECT_TRUE(TraitsOf(ErrorReason::kDatabaseUnavailable).retryable);
  EXPECT_FALSE(TraitsOf(ErrorReason::kCommitInDoubt).retryable);
}

}  // namespace
}  // namespace paddock
