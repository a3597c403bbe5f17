#pragma once

#include <string>
#include <vector>

namespace paddock::nodeagent {

// Numeric IPv4 and IPv6 addresses of a host name or address (in brackets or not) by the machine's
// resolver; blocks as long as that takes. Empty when it doesn't resolve.
std::vector<std::string> ResolveHost(const std::string& host);

}  // namespace paddock::nodeagent
