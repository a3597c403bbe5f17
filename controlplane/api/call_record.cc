#include "controlplane/api/call_record.h"

#include "common/clock.h"
#include "common/errors.h"
#include "common/grpc_status.h"
#include "common/log.h"

namespace paddock {
namespace {

bool IsOurFault(absl::StatusCode code) {
  return code == absl::StatusCode::kInternal || code == absl::StatusCode::kUnknown ||
         code == absl::StatusCode::kDataLoss;
}

}  // namespace

CallRecord::CallRecord(RpcMetrics* metrics, const char* method)
    : metrics_(metrics), method_(method), begin_(Clock::Real()->Monotonic()) {
  metrics_->Started(method_);
}

grpc::Status CallRecord::Finish(const absl::Status& status) {
  metrics_->Finished(method_, status.code(), Clock::Real()->Monotonic() - begin_);
  if (IsOurFault(status.code())) {
    LogError("call failed", {{"method", method_},
                             {"code", absl::StatusCodeToString(status.code())},
                             {"error", status.message()}});
  }
  return ToGrpcStatus(errors::ForUser(status));
}

}  // namespace paddock
