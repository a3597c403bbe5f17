#include "controlplane/core/idempotency.h"

#include <openssl/sha.h>

#include "absl/strings/escaping.h"

namespace paddock {

std::string Sha256Hex(absl::string_view bytes) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest);
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest), sizeof(digest)));
}

Idempotency MakeIdempotency(absl::string_view request_id, absl::string_view body) {
  if (request_id.empty()) return {};
  return {std::string(request_id), Sha256Hex(body)};
}

}  // namespace paddock
