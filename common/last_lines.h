#pragma once

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace paddock {

// The last lines of `text` that together have at most `max_bytes`, without the line break at the
// end. Of a last line that is longer than that, its end, after `…`; the cut is between characters,
// so that UTF-8 stays UTF-8.
std::string LastLines(absl::string_view text, size_t max_bytes);

}  // namespace paddock
