#pragma once

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace paddock::nodeagent {

// Names in DNS packets (RFC 1035, 4.1.4), as text: lower case, no trailing dot; bytes that no host
// name has are written \DDD. The root is empty. Pure.

void AppendDnsLabel(absl::string_view label, std::string* name);

// Reads the name at `offset` and moves that behind it. Pointers are followed, each further back
// than the one before, so that none leads round. False for what is malformed or too long.
bool ReadDnsName(absl::string_view packet, size_t* offset, std::string* name);

}  // namespace paddock::nodeagent
