#include "controlplane/core/api_key_operations.h"

#include <openssl/rand.h>

#include <cstdlib>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/ids.h"
#include "common/status_macros.h"
#include "controlplane/core/idempotency.h"
#include "controlplane/core/text_rules.h"
#include "controlplane/core/violations.h"

namespace paddock {
namespace {

constexpr int kSecretBytes = 32;
constexpr absl::string_view kSecretPrefix = "pk_";
constexpr size_t kMaxTenantCharacters = 64;
constexpr absl::string_view kPageScope = "api_keys";

void CheckTenantName(absl::string_view field, absl::string_view name, Violations* violations) {
  constexpr absl::string_view kAllowed = "abcdefghijklmnopqrstuvwxyz0123456789-_";
  const bool valid = !name.empty() && name.size() <= kMaxTenantCharacters &&
                     name.find_first_not_of(kAllowed) == absl::string_view::npos;
  if (!valid) violations->Add(std::string(field), "must be 1 to 64 of a-z, 0-9, - and _");
}

}  // namespace

absl::Status RequireAdmin(const Principal& caller) {
  return caller.admin ? absl::OkStatus() : errors::AdminKeyRequired();
}

std::string NewApiKeySecret() {
  unsigned char random[kSecretBytes];
  // Fails only when the kernel has no entropy source at all.
  if (RAND_bytes(random, sizeof(random)) != 1) abort();
  std::string encoded;
  absl::WebSafeBase64Escape(
      absl::string_view(reinterpret_cast<const char*>(random), sizeof(random)), &encoded);
  return absl::StrCat(kSecretPrefix, encoded);
}

absl::StatusOr<CreatedApiKey> ApiKeyOperations::Create(const Principal& caller,
                                                       const NewApiKey& key) {
  PADDOCK_RETURN_IF_ERROR(RequireAdmin(caller));
  Violations violations;
  CheckTenantName("organization", key.tenant.organization, &violations);
  CheckTenantName("workspace", key.tenant.workspace, &violations);
  CheckName("name", key.name, &violations);
  PADDOCK_RETURN_IF_ERROR(violations.ToStatus());
  CreatedApiKey created;
  created.secret = NewApiKeySecret();
  ApiKey& api_key = created.api_key;
  api_key.created_at = clock_->Now();
  api_key.id = ApiKeyId(NewId(kApiKeyPrefix, api_key.created_at));
  api_key.tenant = key.tenant;
  api_key.name = key.name;
  api_key.admin = key.admin;
  PADDOCK_ASSIGN_OR_RETURN(api_key, store_->Create(api_key, Sha256Hex(created.secret)));
  return created;
}

absl::StatusOr<Page<ApiKey>> ApiKeyOperations::List(const Principal& caller,
                                                    const PageRequest& page) {
  PADDOCK_RETURN_IF_ERROR(RequireAdmin(caller));
  PADDOCK_ASSIGN_OR_RETURN(const PageQuery query, ParsePageRequest(kPageScope, page));
  PADDOCK_ASSIGN_OR_RETURN(StorePage<ApiKey> found, store_->List(query));
  return MakePage(kPageScope, std::move(found), [](const ApiKey& key) { return key.id.value(); });
}

absl::StatusOr<ApiKey> ApiKeyOperations::Revoke(const Principal& caller, const ApiKeyId& id) {
  PADDOCK_RETURN_IF_ERROR(RequireAdmin(caller));
  if (!IsWellFormedId(kApiKeyPrefix, id.value())) return errors::ApiKeyNotFound(id.value());
  return store_->Revoke(id, clock_->Now());
}

}  // namespace paddock
