#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace paddock {

inline constexpr int kDefaultPageSize = 20;
inline constexpr int kMaxPageSize = 1000;

// A list request as clients send it.
struct PageRequest {
  int page_size = 0;  // 0: kDefaultPageSize.
  std::string page_token;
};

// What a store is asked: up to `limit` items that come after the item with id `after` in the
// list's order. Lists are ordered by id, so by creation, and stay stable while items come and go.
struct PageQuery {
  int limit = kDefaultPageSize;
  std::string after;  // Empty: from the start.
};

// `has_more` is exact: a page that has a successor is full, and its successor isn't empty (unless
// items are deleted in between).
template <typename T>
struct StorePage {
  std::vector<T> items;
  bool has_more = false;
};

template <typename T>
struct Page {
  std::vector<T> items;
  std::string next_page_token;  // Empty on the last page.
  // Empty on the first page, and in lists that can't be read backwards.
  std::string prev_page_token;
};

// Opaque, URL-safe. `scope` names list, tenant and filters; a token is good for its scope only.
std::string MakePageToken(absl::string_view scope, absl::string_view last_id);

// INVALID_ARGUMENT naming the field: size negative or above kMaxPageSize; token garbled or of
// another scope.
absl::StatusOr<PageQuery> ParsePageRequest(absl::string_view scope, const PageRequest& request);

// The page for clients. `id_of` gives an item's id as a string.
template <typename T, typename IdOf>
Page<T> MakePage(absl::string_view scope, StorePage<T> page, IdOf id_of) {
  Page<T> result;
  if (page.has_more && !page.items.empty()) {
    result.next_page_token = MakePageToken(scope, id_of(page.items.back()));
  }
  result.items = std::move(page.items);
  return result;
}

}  // namespace paddock
