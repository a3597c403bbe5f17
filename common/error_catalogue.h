#pragma once

#include <array>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace paddock {

// The domain of every ErrorInfo that we send.
inline constexpr absl::string_view kErrorDomain = "paddock";

// Why a call was refused: every reason that a user can see. The names are stable; clients may
// compare them.
enum class ErrorReason {
  // The request.
  kInvalidField,
  kInvalidMetadata,
  kInvalidConfigTypeChange,
  kInvalidPageToken,
  kBetaHeaderMissing,
  kMessageTooLarge,
  kHeaderTooLarge,
  kMalformedRequest,
  kRevisionTooOld,
  // Who asks.
  kApiKeyMissing,
  kApiKeyInvalid,
  kAdminKeyRequired,
  kWorkspaceMismatch,
  // What it names.
  kRouteNotFound,
  kHttpMethodNotAllowed,
  kEnvironmentNotFound,
  kAgentNotFound,
  kSessionNotFound,
  kNodeNotFound,
  kApiKeyNotFound,
  kPathNotFound,
  kEnvironmentNameTaken,
  kRequestIdReused,
  // The state of things.
  kEnvironmentArchived,
  kEnvironmentInUse,
  kAgentArchived,
  kAgentVersionStale,
  kImageBuildFailed,
  kSessionNotRunning,
  kSessionArchived,
  kStaleGeneration,
  kRuntimeClassUnavailable,
  kInvalidPath,
  kPathNotPermitted,
  kConcurrentChange,
  // What isn't built yet.
  kSelfHostedNotSupported,
  kMethodNotSupportedYet,
  kFieldNotSupported,
  kNoModel,
  // Bounds and failures of the server.
  kOverloaded,
  kTooManyExecs,
  kDiskFull,
  kPidsExhausted,
  kSandboxExhausted,
  kNodeUnreachable,
  kExecInterrupted,
  kDatabaseUnavailable,
  kCommitInDoubt,
  kShuttingDown,
  kUnavailable,
  kDeadlineExceeded,
  kCancelled,
  kInternal,
};

// What the front ends need to know of a reason.
struct ErrorTraits {
  // UPPER_SNAKE, the reason in ErrorInfo.
  absl::string_view name;
  absl::StatusCode code;
  // REST: the answer's status, `error.type`, and `error.details.error_code`.
  int http_status;
  absl::string_view error_type;
  absl::string_view error_code;
  // Whether the same request may succeed later without a change by the caller.
  bool retryable;
};

inline constexpr std::array<ErrorReason, 53> kAllErrorReasons = {
    ErrorReason::kInvalidField,
    ErrorReason::kInvalidMetadata,
    ErrorReason::kInvalidConfigTypeChange,
    ErrorReason::kInvalidPageToken,
    ErrorReason::kBetaHeaderMissing,
    ErrorReason::kMessageTooLarge,
    ErrorReason::kHeaderTooLarge,
    ErrorReason::kMalformedRequest,
    ErrorReason::kRevisionTooOld,
    ErrorReason::kApiKeyMissing,
    ErrorReason::kApiKeyInvalid,
    ErrorReason::kAdminKeyRequired,
    ErrorReason::kWorkspaceMismatch,
    ErrorReason::kRouteNotFound,
    ErrorReason::kHttpMethodNotAllowed,
    ErrorReason::kEnvironmentNotFound,
    ErrorReason::kAgentNotFound,
    ErrorReason::kSessionNotFound,
    ErrorReason::kNodeNotFound,
    ErrorReason::kApiKeyNotFound,
    ErrorReason::kPathNotFound,
    ErrorReason::kEnvironmentNameTaken,
    ErrorReason::kRequestIdReused,
    ErrorReason::kEnvironmentArchived,
    ErrorReason::kEnvironmentInUse,
    ErrorReason::kAgentArchived,
    ErrorReason::kAgentVersionStale,
    ErrorReason::kImageBuildFailed,
    ErrorReason::kSessionNotRunning,
    ErrorReason::kSessionArchived,
    ErrorReason::kStaleGeneration,
    ErrorReason::kRuntimeClassUnavailable,
    ErrorReason::kInvalidPath,
    ErrorReason::kPathNotPermitted,
    ErrorReason::kConcurrentChange,
    ErrorReason::kSelfHostedNotSupported,
    ErrorReason::kMethodNotSupportedYet,
    ErrorReason::kFieldNotSupported,
    ErrorReason::kNoModel,
    ErrorReason::kOverloaded,
    ErrorReason::kTooManyExecs,
    ErrorReason::kDiskFull,
    ErrorReason::kPidsExhausted,
    ErrorReason::kSandboxExhausted,
    ErrorReason::kNodeUnreachable,
    ErrorReason::kExecInterrupted,
    ErrorReason::kDatabaseUnavailable,
    ErrorReason::kCommitInDoubt,
    ErrorReason::kShuttingDown,
    ErrorReason::kUnavailable,
    ErrorReason::kDeadlineExceeded,
    ErrorReason::kCancelled,
    ErrorReason::kInternal,
};

const ErrorTraits& TraitsOf(ErrorReason reason);

// The reason of that UPPER_SNAKE name; nullopt when the catalogue has none.
std::optional<ErrorReason> ParseErrorReason(absl::string_view name);

// The reason that stands for a status which carries none, by its code.
ErrorReason ReasonForCode(absl::StatusCode code);

}  // namespace paddock
