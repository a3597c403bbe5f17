#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "controlplane/core/store_types.h"

namespace paddock {

// SHA-256 of `bytes`, in lower-case hexadecimal.
std::string Sha256Hex(absl::string_view bytes);

// What makes a create repeatable. `body` is a deterministic serialization of the request without
// its request_id, the same for the same request from every replica. Empty for an empty request_id.
Idempotency MakeIdempotency(absl::string_view request_id, absl::string_view body);

}  // namespace paddock
