#pragma once

#include "absl/status/status.h"
#include "grpcpp/support/status.h"

namespace paddock {

// Conversions between our statuses and gRPC's. Details (error_details.h) are kept both ways, in
// gRPC's standard form: a serialized google.rpc.Status. Pure and thread-safe.
//
// Clients accept 8 KiB of trailers, and drop the whole answer when there is more. So ToGrpcStatus
// cuts long messages, and leaves out the last violations of a BadRequest, then whole details, that
// don't fit; ErrorInfo comes first.
grpc::Status ToGrpcStatus(const absl::Status& status);
absl::Status FromGrpcStatus(const grpc::Status& status);

}  // namespace paddock
