#include "controlplane/core/authenticator.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/errors.h"
#include "common/status_macros.h"
#include "controlplane/core/idempotency.h"

namespace paddock {
namespace {

// Longer ones aren't ours, and hashing them is work that anybody could ask for.
constexpr size_t kMaxKeyBytes = 256;

bool HasBeta(const std::vector<std::string>& values) {
  for (const std::string& value : values) {
    for (const absl::string_view part : absl::StrSplit(value, ',')) {
      if (absl::StripAsciiWhitespace(part) == kBetaValue) return true;
    }
  }
  return false;
}

}  // namespace

std::string BearerToken(absl::string_view authorization) {
  constexpr absl::string_view kScheme = "bearer ";
  if (!absl::StartsWithIgnoreCase(authorization, kScheme)) return "";
  return std::string(absl::StripAsciiWhitespace(authorization.substr(kScheme.size())));
}

absl::StatusOr<Principal> Authenticator::Authenticate(const Credentials& credentials) {
  if (credentials.api_key.empty()) return errors::ApiKeyMissing();
  PADDOCK_ASSIGN_OR_RETURN(Principal principal, FindPrincipal(credentials.api_key));
  if (!HasBeta(credentials.betas)) return errors::BetaHeaderMissing(kBetaValue);
  return principal;
}

absl::StatusOr<Principal> Authenticator::FindPrincipal(const std::string& api_key) {
  if (api_key.size() > kMaxKeyBytes) return errors::ApiKeyInvalid();
  const std::string hash = Sha256Hex(api_key);
  const absl::Duration now = clock_->Monotonic();
  {
    absl::MutexLock lock(&mutex_);
    const auto found = cache_.find(hash);
    if (found != cache_.end() && now < found->second.expires_at) return found->second.principal;
  }
  absl::StatusOr<ApiKey> key = keys_->FindByHash(hash);
  if (absl::IsNotFound(key.status())) return errors::ApiKeyInvalid();
  if (!key.ok()) return key.status();
  if (key->revoked_at.has_value()) return errors::ApiKeyInvalid();
  Principal principal{key->tenant, key->id, key->admin};
  // From before the look-up: a revocation after it is seen kCacheFor later at most.
  Remember(hash, principal, now);
  return principal;
}

void Authenticator::Remember(const std::string& hash, const Principal& principal,
                             absl::Duration found_at) {
  absl::MutexLock lock(&mutex_);
  if (cache_.size() >= kMaxCached) {
    absl::erase_if(cache_, [&](const auto& entry) { return entry.second.expires_at <= found_at; });
  }
  if (cache_.size() >= kMaxCached) cache_.clear();
  cache_.insert_or_assign(hash, Entry{principal, found_at + kCacheFor});
}

}  // namespace paddock
