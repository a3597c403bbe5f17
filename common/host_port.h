#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace paddock {

// `host:port` with the host in brackets if it is an IPv6 address without them, as templates that
// only join the two produce (`fd00::7:7501` -> `[fd00::7]:7501`). Anything else stays as it is.
// Pure.
std::string BracketIpv6(absl::string_view host_port);

}  // namespace paddock
