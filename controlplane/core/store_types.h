// What the store interfaces have in common.
//
// Every method of every store blocks for a few database round trips and is thread-safe. Beside the
// codes that a method lists, each may answer
//   UNAVAILABLE         the database can't be reached, or the outcome of a commit is unknown
//   (reason
//                       COMMIT_IN_DOUBT; nothing is retried blindly). Both carry RetryInfo.
//   RESOURCE_EXHAUSTED  no free connection within the time-out; carries RetryInfo.
//   INTERNAL            anything else; logged by the store.
// Unknown, malformed and other tenants' ids are NOT_FOUND, all three alike.
#pragma once

#include <functional>
#include <string>

#include "absl/status/statusor.h"

namespace paddock {

// Makes a create repeatable. Scoped by tenant and kind of resource; kept for at least 24 hours.
// The same id with the same hash answers the first result again, with another hash ALREADY_EXISTS.
struct Idempotency {
  std::string request_id;  // Empty: the create isn't repeatable.
  std::string body_hash;
};

// Runs under the row's lock: takes the stored value, gives the new one, or the error that the
// caller gets (then nothing is changed). Pure: it may run more than once. The store sets revision
// and updated_at, and writes nothing when `*changed` (initially true) was set to false.
template <typename T>
using Mutation = std::function<absl::StatusOr<T>(const T& stored, bool* changed)>;

enum class Archived { kExclude, kInclude };

}  // namespace paddock
