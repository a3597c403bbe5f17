#pragma once

#include <grpcpp/support/status.h>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/rpc_metrics.h"

namespace paddock {

// One call in metrics and log, from its arrival to its answer. A value; not thread-safe.
class CallRecord {
 public:
  // Counts the start. `method` must be a literal.
  CallRecord(RpcMetrics* metrics, const char* method);

  // Counts the end, logs errors that only operators can mend, and gives what the client gets. To be
  // called once.
  grpc::Status Finish(const absl::Status& status);

 private:
  RpcMetrics* metrics_;
  const char* method_;
  absl::Duration begin_;
};

}  // namespace paddock
