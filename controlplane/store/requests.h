#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "controlplane/core/resources.h"
#include "controlplane/core/store_types.h"
#include "controlplane/store/sql.h"

namespace paddock {

// What an earlier create with the same request id made.
struct EarlierResult {
  std::string resource_id;
  std::optional<std::string> result;
};

// Takes the request id for `resource_id` with the answer `result`, in the caller's transaction.
// nullopt: it is taken, go on. Waits for another transaction that is taking the same one.
// ALREADY_EXISTS: it was used with another body.
absl::StatusOr<std::optional<EarlierResult>> TakeRequestId(
    Transaction& transaction, const Tenant& tenant, absl::string_view kind,
    const Idempotency& idempotency, const std::string& resource_id, const std::string& result);

// The same without taking it.
absl::StatusOr<std::optional<EarlierResult>> FindRequest(Transaction& transaction,
                                                         const Tenant& tenant,
                                                         absl::string_view kind,
                                                         const Idempotency& idempotency);

}  // namespace paddock
