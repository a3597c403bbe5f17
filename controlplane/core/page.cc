#include "controlplane/core/page.h"

#include <openssl/sha.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/errors.h"

namespace paddock {
namespace {

constexpr size_t kChecksumLength = 12;

// Of scope and id, so that neither a garbled token nor one of another list is taken for valid. Not
// a secret: an id made up by a caller gives them nothing that the list itself wouldn't.
std::string Checksum(absl::string_view scope, absl::string_view last_id) {
  const std::string text = absl::StrCat(scope.size(), ":", scope, last_id);
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  return std::string(reinterpret_cast<const char*>(digest), kChecksumLength);
}

}  // namespace

std::string MakePageToken(absl::string_view scope, absl::string_view last_id) {
  return absl::WebSafeBase64Escape(absl::StrCat(Checksum(scope, last_id), last_id));
}

absl::StatusOr<PageQuery> ParsePageRequest(absl::string_view scope, const PageRequest& request) {
  if (request.page_size < 0 || request.page_size > kMaxPageSize) {
    return errors::InvalidField("page_size", absl::StrCat("must be between 0 and ", kMaxPageSize));
  }
  PageQuery query;
  query.limit = request.page_size == 0 ? kDefaultPageSize : request.page_size;
  if (request.page_token.empty()) return query;
  std::string decoded;
  // The decoder takes padding and unused bits as well; only the form that we made counts.
  if (!absl::WebSafeBase64Unescape(request.page_token, &decoded) ||
      decoded.size() <= kChecksumLength) {
    return errors::InvalidPageToken();
  }
  query.after = decoded.substr(kChecksumLength);
  if (MakePageToken(scope, query.after) != request.page_token) return errors::InvalidPageToken();
  return query;
}

}  // namespace paddock
