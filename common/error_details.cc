#include "common/error_details.h"

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"

namespace paddock {
namespace {

template <typename Message>
std::string TypeUrl() {
  return absl::StrCat("type.googleapis.com/", Message::descriptor()->full_name());
}

template <typename Message>
void SetDetail(absl::Status* status, const Message& message) {
  status->SetPayload(TypeUrl<Message>(), absl::Cord(message.SerializeAsString()));
}

template <typename Message>
std::optional<Message> GetDetail(const absl::Status& status) {
  const auto payload = status.GetPayload(TypeUrl<Message>());
  Message message;
  if (!payload.has_value() || !message.ParseFromString(std::string(*payload))) return std::nullopt;
  return message;
}

std::optional<google::rpc::ErrorInfo> InfoOf(const absl::Status& status) {
  auto info = GetDetail<google::rpc::ErrorInfo>(status);
  if (!info.has_value() || info->domain() != kErrorDomain) return std::nullopt;
  return info;
}

}  // namespace

absl::Status MakeError(ErrorReason reason, absl::string_view message,
                       const ErrorMetadata& metadata) {
  const ErrorTraits& traits = TraitsOf(reason);
  absl::Status status(traits.code, message);
  google::rpc::ErrorInfo info;
  info.set_reason(std::string(traits.name));
  info.set_domain(std::string(kErrorDomain));
  for (const auto& [key, value] : metadata) (*info.mutable_metadata())[key] = value;
  SetDetail(&status, info);
  return status;
}

void SetViolations(absl::Status* status, const std::vector<FieldViolation>& violations) {
  google::rpc::BadRequest bad_request;
  for (const FieldViolation& violation : violations) {
    auto* entry = bad_request.add_field_violations();
    entry->set_field(violation.field);
    entry->set_description(violation.description);
  }
  SetDetail(status, bad_request);
}

void SetRetryDelay(absl::Status* status, absl::Duration delay) {
  google::rpc::RetryInfo retry;
  auto* proto = retry.mutable_retry_delay();
  proto->set_seconds(absl::IDivDuration(delay, absl::Seconds(1), &delay));
  proto->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(delay)));
  SetDetail(status, retry);
}

std::optional<ErrorReason> ReasonOf(const absl::Status& status) {
  const auto info = InfoOf(status);
  if (!info.has_value()) return std::nullopt;
  return ParseErrorReason(info->reason());
}

ErrorMetadata ErrorMetadataOf(const absl::Status& status) {
  ErrorMetadata metadata;
  if (const auto info = InfoOf(status); info.has_value()) {
    metadata.insert(info->metadata().begin(), info->metadata().end());
  }
  return metadata;
}

std::vector<FieldViolation> ViolationsOf(const absl::Status& status) {
  std::vector<FieldViolation> violations;
  if (const auto detail = GetDetail<google::rpc::BadRequest>(status); detail.has_value()) {
    for (const auto& entry : detail->field_violations()) {
      violations.push_back({entry.field(), entry.description()});
    }
  }
  return violations;
}

std::optional<absl::Duration> RetryDelayOf(const absl::Status& status) {
  const auto detail = GetDetail<google::rpc::RetryInfo>(status);
  if (!detail.has_value()) return std::nullopt;
  return absl::Seconds(detail->retry_delay().seconds()) +
         absl::Nanoseconds(detail->retry_delay().nanos());
}

}  // namespace paddock
