#pragma once

#include <cstddef>

#include "controlplane/core/page.h"

namespace paddock {

// Clients take answers of at most 4 MiB unless told otherwise; estimates may be off by a third.
inline constexpr size_t kPageBudgetBytes = 3 << 20;

// Cuts `page` where its items together exceed the budget, but keeps at least one. The rest is the
// next page's. `size_of` estimates an item's size on the wire.
template <typename T, typename SizeOf>
void CutToBudget(StorePage<T>* page, SizeOf size_of) {
  size_t bytes = 0;
  for (size_t i = 0; i < page->items.size(); ++i) {
    bytes += size_of(page->items[i]);
    if (i > 0 && bytes > kPageBudgetBytes) {
      page->items.resize(i);
      page->has_more = true;
      return;
    }
  }
}

}  // namespace paddock
