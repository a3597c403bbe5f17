#include "common/host_port.h"

#include "absl/strings/str_cat.h"

namespace paddock {

std::string BracketIpv6(absl::string_view host_port) {
  const size_t colon = host_port.rfind(':');
  if (colon == absl::string_view::npos) return std::string(host_port);
  const absl::string_view host = host_port.substr(0, colon);
  const bool bare = host.find(':') != absl::string_view::npos && host.front() != '[';
  if (!bare) return std::string(host_port);
  return absl::StrCat("[", host, "]", host_port.substr(colon));
}

}  // namespace paddock
