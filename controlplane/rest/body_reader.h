#pragma once

#include "absl/status/statusor.h"
#include "common/status_macros.h"
#include "controlplane/core/object_reader.h"
#include "controlplane/core/violations.h"
#include "nlohmann/json.hpp"

namespace paddock {

// A request's whole body, as `read` (of the body's reader, the violations, and the T to fill) takes
// it. INVALID_ARGUMENT naming all that it finds wrong, and every member that it doesn't ask for.
template <typename T, typename Read>
absl::StatusOr<T> ReadBody(const nlohmann::json& body, Read read) {
  Violations violations;
  T result;
  ObjectReader reader("", body, &violations);
  read(&reader, &violations, &result);
  reader.RefuseTheRest();
  PADDOCK_RETURN_IF_ERROR(violations.ToStatus());
  return result;
}

}  // namespace paddock
