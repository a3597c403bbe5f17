#include "controlplane/rest/rest_error.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "common/error_details.h"
#include "common/errors.h"

namespace paddock {
namespace {

constexpr int kTooManyRequests = 429;
constexpr int kServiceUnavailable = 503;

struct Rename {
  absl::string_view from;
  absl::string_view to;
};
// By the beginning of the name, the first that fits. gRPC has a oneof where REST has `type`.
constexpr Rename kRenames[] = {
    {"config.cloud.networking.limited.", "config.networking."},
    {"config.cloud.", "config."},
    {"agent.overrides.", "agent."},
    {"page_size", "limit"},
    {"page_token", "page"},
};

std::vector<FieldViolation> RestViolations(const absl::Status& status) {
  std::vector<FieldViolation> violations = ViolationsOf(status);
  for (FieldViolation& violation : violations) {
    violation.field = RestFieldName(violation.field);
    violation.description = absl::StrReplaceAll(
        violation.description,
        {{"config.cloud.packages", "config.packages"}, {"next_page_token", "next_page"}});
  }
  return violations;
}

// The message names fields too; those of renamed ones are written anew.
std::string MessageOf(const absl::Status& status, const std::vector<FieldViolation>& violations) {
  const std::vector<FieldViolation> original = ViolationsOf(status);
  if (original == violations) return std::string(status.message());
  return std::string(errors::InvalidFields(violations).message());
}

}  // namespace

std::string RestFieldName(absl::string_view field) {
  for (const Rename& rename : kRenames) {
    absl::string_view rest = field;
    if (absl::ConsumePrefix(&rest, rename.from)) return absl::StrCat(rename.to, rest);
  }
  return std::string(field);
}

nlohmann::ordered_json ErrorJson(const absl::Status& status, absl::string_view request_id) {
  const absl::Status shown = errors::ForUser(status);
  const ErrorTraits& traits = TraitsOf(ReasonOf(shown).value_or(ErrorReason::kInternal));
  const std::vector<FieldViolation> violations = RestViolations(shown);
  nlohmann::ordered_json details = {{"error_code", traits.error_code}};
  for (const FieldViolation& violation : violations) {
    details["fields"].push_back({{"field", violation.field}, {"rule", violation.description}});
  }
  for (const auto& [key, value] : ErrorMetadataOf(shown)) details[key] = value;
  return {{"type", "error"},
          {"error",
           {{"type", traits.error_type},
            {"message", MessageOf(shown, violations)},
            {"details", std::move(details)}}},
          {"request_id", request_id}};
}

HttpAnswer ErrorAnswer(const absl::Status& status, absl::string_view request_id) {
  const absl::Status shown = errors::ForUser(status);
  const ErrorTraits& traits = TraitsOf(ReasonOf(shown).value_or(ErrorReason::kInternal));
  HttpAnswer answer;
  answer.status = traits.http_status;
  answer.body = ErrorJson(status, request_id)
                    .dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  if (!traits.retryable) answer.headers.emplace_back("x-should-retry", "false");
  if (traits.http_status == kTooManyRequests || traits.http_status == kServiceUnavailable) {
    const absl::Duration delay = RetryDelayOf(shown).value_or(absl::Seconds(1));
    const int64_t seconds = absl::ToInt64Seconds(absl::Ceil(delay, absl::Seconds(1)));
    answer.headers.emplace_back("retry-after", absl::StrCat(std::max<int64_t>(1, seconds)));
  }
  return answer;
}

}  // namespace paddock
