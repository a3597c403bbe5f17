#include "common/grpc_status.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "common/error_details.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace paddock {
namespace {

// In trailers a message takes up to three bytes a byte, and the details, which repeat the message,
// four bytes for three: 7.7 KiB together, with kMaxErrorMessageBytes.
constexpr size_t kMaxDetailsBytes = 4000;

// Cuts between characters, so that the result stays UTF-8.
std::string Shorten(absl::string_view text) {
  if (text.size() <= kMaxErrorMessageBytes) return std::string(text);
  size_t end = kMaxErrorMessageBytes - 3;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return std::string(text.substr(0, end)) + "...";
}

bool IsErrorInfo(const google::protobuf::Any& any) { return any.Is<google::rpc::ErrorInfo>(); }

// ErrorInfo, then the rest by name, so that an error always looks the same.
std::vector<google::protobuf::Any> SortedPayloads(const absl::Status& status) {
  std::vector<google::protobuf::Any> payloads;
  status.ForEachPayload([&payloads](absl::string_view type_url, const absl::Cord& value) {
    google::protobuf::Any& any = payloads.emplace_back();
    any.set_type_url(std::string(type_url));
    any.set_value(std::string(value));
  });
  std::sort(payloads.begin(), payloads.end(), [](const auto& a, const auto& b) {
    if (IsErrorInfo(a) != IsErrorInfo(b)) return IsErrorInfo(a);
    return a.type_url() < b.type_url();
  });
  return payloads;
}

// Drops violations from the end until `any` has at most `room` bytes.
void TrimViolations(size_t room, google::protobuf::Any* any) {
  google::rpc::BadRequest bad_request;
  if (!any->UnpackTo(&bad_request)) return;
  while (any->ByteSizeLong() > room && bad_request.field_violations_size() > 1) {
    bad_request.mutable_field_violations()->RemoveLast();
    any->PackFrom(bad_request);
  }
}

}  // namespace

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const auto code = static_cast<grpc::StatusCode>(status.code());
  google::rpc::Status details;
  details.set_code(static_cast<int>(status.code()));
  details.set_message(Shorten(status.message()));
  for (google::protobuf::Any& any : SortedPayloads(status)) {
    const size_t used = details.ByteSizeLong();
    if (used + any.ByteSizeLong() > kMaxDetailsBytes) TrimViolations(kMaxDetailsBytes - used, &any);
    if (used + any.ByteSizeLong() <= kMaxDetailsBytes) *details.add_details() = std::move(any);
  }
  if (details.details().empty()) return grpc::Status(code, details.message());
  return grpc::Status(code, details.message(), details.SerializeAsString());
}

absl::Status FromGrpcStatus(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  absl::Status result(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details())) return result;
  for (const google::protobuf::Any& any : details.details()) {
    result.SetPayload(any.type_url(), absl::Cord(any.value()));
  }
  return result;
}

}  // namespace paddock
