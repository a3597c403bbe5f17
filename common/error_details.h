#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/error_catalogue.h"

namespace paddock {

// Messages are cut after so many bytes where they cross gRPC: nothing later in one may matter.
inline constexpr size_t kMaxErrorMessageBytes = 768;

// One field of a request that breaks a rule. `field` is the path as in the API, such as
// `config.cloud.packages.pip[3]`; `description` says the rule, without naming the field.
struct FieldViolation {
  std::string field;
  std::string description;
  friend bool operator==(const FieldViolation& a, const FieldViolation& b) {
    return a.field == b.field && a.description == b.description;
  }
};

// Details travel as payloads of absl::Status. The type URL is `type.googleapis.com/` + the full
// name of a google.rpc message (ErrorInfo, BadRequest, RetryInfo), the value that message
// serialized. So they cross gRPC as they are, and any other front end can read them with the
// functions below. All are thread-safe and pure.
using ErrorMetadata = std::map<std::string, std::string>;

// A status of `reason`'s code with ErrorInfo. The message should name the field and the rule.
absl::Status MakeError(ErrorReason reason, absl::string_view message,
                       const ErrorMetadata& metadata = {});

// Adds what the details name; replaces details of the same kind.
void SetViolations(absl::Status* status, const std::vector<FieldViolation>& violations);
void SetRetryDelay(absl::Status* status, absl::Duration delay);

// nullopt, or empty, where the status carries no such detail (or one of another domain).
std::optional<ErrorReason> ReasonOf(const absl::Status& status);
ErrorMetadata ErrorMetadataOf(const absl::Status& status);
std::vector<FieldViolation> ViolationsOf(const absl::Status& status);
std::optional<absl::Duration> RetryDelayOf(const absl::Status& status);

}  // namespace paddock
