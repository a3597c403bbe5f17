#include "common/error_catalogue.h"

namespace paddock {
namespace {

using Code = absl::StatusCode;

constexpr absl::string_view kInvalidRequest = "invalid_request_error";
constexpr absl::string_view kAuthentication = "authentication_error";
constexpr absl::string_view kPermission = "permission_error";
constexpr absl::string_view kNotFound = "not_found_error";
constexpr absl::string_view kConflict = "conflict_error";
constexpr absl::string_view kRateLimit = "rate_limit_error";
constexpr absl::string_view kTimeout = "timeout_error";
constexpr absl::string_view kOverloadedType = "overloaded_error";
constexpr absl::string_view kApi = "api_error";

// The order is that of the enum; a test holds every line against its reason.
constexpr ErrorTraits kTraits[] = {
    {"INVALID_FIELD", Code::kInvalidArgument, 400, kInvalidRequest, "invalid_field", false},
    {"INVALID_METADATA", Code::kInvalidArgument, 400, kInvalidRequest, "invalid_metadata", false},
    {"INVALID_CONFIG_TYPE_CHANGE", Code::kInvalidArgument, 400, kInvalidRequest,
     "invalid_config_type_change", false},
    {"INVALID_PAGE_TOKEN", Code::kInvalidArgument, 400, kInvalidRequest, "invalid_page_token",
     false},
    {"BETA_HEADER_MISSING", Code::kInvalidArgument, 400, kInvalidRequest, "beta_header_missing",
     false},
    {"MESSAGE_TOO_LARGE", Code::kResourceExhausted, 413, kInvalidRequest, "message_too_large",
     false},
    {"HEADER_TOO_LARGE", Code::kResourceExhausted, 431, kInvalidRequest, "header_too_large", false},
    {"MALFORMED_REQUEST", Code::kInvalidArgument, 400, kInvalidRequest, "malformed_request", false},
    {"REVISION_TOO_OLD", Code::kOutOfRange, 400, kInvalidRequest, "revision_too_old", false},
    {"API_KEY_MISSING", Code::kUnauthenticated, 401, kAuthentication, "api_key_missing", false},
    {"API_KEY_INVALID", Code::kUnauthenticated, 401, kAuthentication, "api_key_invalid", false},
    {"ADMIN_KEY_REQUIRED", Code::kPermissionDenied, 403, kPermission, "admin_key_required", false},
    {"WORKSPACE_MISMATCH", Code::kPermissionDenied, 403, kPermission, "workspace_mismatch", false},
    {"ROUTE_NOT_FOUND", Code::kNotFound, 404, kNotFound, "route_not_found", false},
    {"HTTP_METHOD_NOT_ALLOWED", Code::kUnimplemented, 405, kInvalidRequest,
     "http_method_not_allowed", false},
    {"ENVIRONMENT_NOT_FOUND", Code::kNotFound, 404, kNotFound, "environment_not_found", false},
    {"AGENT_NOT_FOUND", Code::kNotFound, 404, kNotFound, "agent_not_found", false},
    {"SESSION_NOT_FOUND", Code::kNotFound, 404, kNotFound, "session_not_found", false},
    {"NODE_NOT_FOUND", Code::kNotFound, 404, kNotFound, "node_not_found", false},
    {"API_KEY_NOT_FOUND", Code::kNotFound, 404, kNotFound, "api_key_not_found", false},
    {"PATH_NOT_FOUND", Code::kNotFound, 404, kNotFound, "path_not_found", false},
    {"ENVIRONMENT_NAME_TAKEN", Code::kAlreadyExists, 409, kConflict, "environment_name_taken",
     false},
    {"REQUEST_ID_REUSED", Code::kAlreadyExists, 409, kConflict, "request_id_reused", false},
    {"ENVIRONMENT_ARCHIVED", Code::kFailedPrecondition, 400, kInvalidRequest,
     "environment_archived", false},
    {"ENVIRONMENT_IN_USE", Code::kFailedPrecondition, 409, kConflict, "environment_in_use", false},
    {"AGENT_ARCHIVED", Code::kFailedPrecondition, 400, kInvalidRequest, "agent_archived", false},
    {"AGENT_VERSION_STALE", Code::kAborted, 409, kConflict, "agent_version_stale", false},
    {"IMAGE_BUILD_FAILED", Code::kFailedPrecondition, 400, kInvalidRequest, "image_build_failed",
     false},
    {"SESSION_NOT_RUNNING", Code::kFailedPrecondition, 409, kConflict, "session_not_running",
     false},
    {"SESSION_ARCHIVED", Code::kFailedPrecondition, 400, kInvalidRequest, "session_archived",
     false},
    {"STALE_GENERATION", Code::kFailedPrecondition, 409, kConflict, "stale_generation", false},
    {"RUNTIME_CLASS_UNAVAILABLE", Code::kFailedPrecondition, 400, kInvalidRequest,
     "runtime_class_unavailable", false},
    {"INVALID_PATH", Code::kFailedPrecondition, 400, kInvalidRequest, "invalid_path", false},
    {"PATH_NOT_PERMITTED", Code::kPermissionDenied, 403, kPermission, "path_not_permitted", false},
    {"CONCURRENT_CHANGE", Code::kAborted, 409, kConflict, "concurrent_change", true},
    {"SELF_HOSTED_NOT_SUPPORTED", Code::kUnimplemented, 501, kApi, "self_hosted_not_supported",
     false},
    {"METHOD_NOT_SUPPORTED_YET", Code::kUnimplemented, 501, kApi, "method_not_supported_yet",
     false},
    {"FIELD_NOT_SUPPORTED", Code::kUnimplemented, 501, kApi, "field_not_supported", false},
    {"NO_MODEL", Code::kUnimplemented, 501, kApi, "no_model", false},
    {"OVERLOADED", Code::kResourceExhausted, 429, kRateLimit, "overloaded", true},
    {"TOO_MANY_EXECS", Code::kResourceExhausted, 429, kRateLimit, "too_many_execs", true},
    {"DISK_FULL", Code::kResourceExhausted, 400, kInvalidRequest, "disk_full", false},
    {"PIDS_EXHAUSTED", Code::kResourceExhausted, 400, kInvalidRequest, "pids_exhausted", false},
    {"SANDBOX_EXHAUSTED", Code::kResourceExhausted, 400, kInvalidRequest, "sandbox_exhausted",
     false},
    {"NODE_UNREACHABLE", Code::kUnavailable, 503, kOverloadedType, "node_unreachable", true},
    {"EXEC_INTERRUPTED", Code::kUnavailable, 503, kOverloadedType, "exec_interrupted", false},
    {"DATABASE_UNAVAILABLE", Code::kUnavailable, 503, kOverloadedType, "database_unavailable",
     true},
    {"COMMIT_IN_DOUBT", Code::kUnavailable, 503, kApi, "commit_in_doubt", false},
    {"SHUTTING_DOWN", Code::kUnavailable, 503, kOverloadedType, "shutting_down", true},
    {"UNAVAILABLE", Code::kUnavailable, 503, kOverloadedType, "unavailable", true},
    {"DEADLINE_EXCEEDED", Code::kDeadlineExceeded, 504, kTimeout, "deadline_exceeded", true},
    {"CANCELLED", Code::kCancelled, 499, kInvalidRequest, "cancelled", false},
    {"INTERNAL", Code::kInternal, 500, kApi, "internal", false},
};
static_assert(sizeof(kTraits) / sizeof(kTraits[0]) == kAllErrorReasons.size());

}  // namespace

const ErrorTraits& TraitsOf(ErrorReason reason) { return kTraits[static_cast<int>(reason)]; }

std::optional<ErrorReason> ParseErrorReason(absl::string_view name) {
  for (ErrorReason reason : kAllErrorReasons) {
    if (TraitsOf(reason).name == name) return reason;
  }
  return std::nullopt;
}

ErrorReason ReasonForCode(absl::StatusCode code) {
  switch (code) {
    case Code::kInvalidArgument:
      return ErrorReason::kInvalidField;
    case Code::kUnauthenticated:
      return ErrorReason::kApiKeyInvalid;
    case Code::kUnavailable:
      return ErrorReason::kUnavailable;
    case Code::kResourceExhausted:
      return ErrorReason::kOverloaded;
    case Code::kAborted:
      return ErrorReason::kConcurrentChange;
    case Code::kDeadlineExceeded:
      return ErrorReason::kDeadlineExceeded;
    case Code::kCancelled:
      return ErrorReason::kCancelled;
    case Code::kUnimplemented:
      return ErrorReason::kMethodNotSupportedYet;
    case Code::kOutOfRange:
      return ErrorReason::kRevisionTooOld;
    default:
      // A code that says nothing about which thing is missing or in what state is a mistake of
      // ours; absl adds codes over time, so there is no exhaustive switch over them.
      return ErrorReason::kInternal;
  }
}

}  // namespace paddock
