#pragma once

#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "controlplane/core/api_key_store.h"
#include "controlplane/core/resources.h"

namespace paddock {

// What every call of the public API must carry in its `anthropic-beta` header.
inline constexpr absl::string_view kBetaHeader = "anthropic-beta";
inline constexpr absl::string_view kBetaValue = "managed-agents-2026-04-01";

// What a caller showed, whichever the protocol.
struct Credentials {
  std::string api_key;             // Empty: none.
  std::vector<std::string> betas;  // Values of the beta headers, each maybe a comma list.
};

// The key inside of an `Authorization` header: `Bearer KEY`, the scheme in any case; empty for
// anything else.
std::string BearerToken(absl::string_view authorization);

// Finds out who calls. Thread-safe. Keeps what it found for kCacheFor, so that a revoked key is
// refused on every replica within that time. Errors aren't kept.
class Authenticator {
 public:
  static constexpr absl::Duration kCacheFor = absl::Seconds(4);
  static constexpr size_t kMaxCached = 10'000;

  // Arguments must outlive it.
  Authenticator(ApiKeyStore* keys, Clock* clock) : keys_(keys), clock_(clock) {}

  // The key is judged first, then the beta header. Blocks for the database when the key isn't
  // cached.
  //   UNAUTHENTICATED   no key, an unknown or a revoked one.
  //   INVALID_ARGUMENT  no beta header with kBetaValue; names anthropic-beta.
  absl::StatusOr<Principal> Authenticate(const Credentials& credentials);

 private:
  struct Entry {
    Principal principal;
    absl::Duration expires_at;  // Monotonic.
  };

  absl::StatusOr<Principal> FindPrincipal(const std::string& api_key);
  void Remember(const std::string& hash, const Principal& principal, absl::Duration found_at);

  ApiKeyStore* const keys_;
  Clock* const clock_;
  absl::Mutex mutex_;
  absl::flat_hash_map<std::string, Entry> cache_ ABSL_GUARDED_BY(mutex_);  // By hash.
};

}  // namespace paddock
