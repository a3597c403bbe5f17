#include "controlplane/core/http_url.h"

#include <arpa/inet.h>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "common/utf8.h"
#include "controlplane/core/host_rules.h"

namespace paddock {
namespace {

constexpr size_t kMaxCharacters = 2048;
constexpr int kMaxPort = 65535;

absl::Status Rule(absl::string_view rule) { return absl::InvalidArgumentError(rule); }

absl::Status CheckCharacters(absl::string_view url) {
  if (url.size() > 4 * kMaxCharacters) return Rule("must have at most 2,048 characters");
  size_t count = 0;
  for (; !url.empty(); ++count) {
    const auto code_point = ConsumeCodePoint(&url);
    if (!code_point.has_value()) return Rule("must be valid UTF-8");
    if (IsControl(*code_point) || IsWhiteSpace(*code_point)) {
      return Rule("must not hold white space or control characters");
    }
  }
  if (count > kMaxCharacters) return Rule("must have at most 2,048 characters");
  return absl::OkStatus();
}

absl::StatusOr<std::string> ParseScheme(absl::string_view* url) {
  for (absl::string_view scheme : {"http", "https"}) {
    const std::string prefix = absl::StrCat(scheme, "://");
    if (absl::StartsWithIgnoreCase(*url, prefix)) {
      url->remove_prefix(prefix.size());
      return std::string(scheme);
    }
  }
  return Rule("must be an http:// or https:// URL");
}

// `host` of `[v6]` forms comes without the brackets.
absl::StatusOr<std::string> ParseHost(absl::string_view host) {
  const std::string text = absl::AsciiStrToLower(host);
  unsigned char address[sizeof(in6_addr)];
  if (inet_pton(AF_INET, text.c_str(), address) == 1) return text;
  if (absl::StartsWith(host, "*")) return Rule("must name one host");
  absl::StatusOr<std::string> name = CanonicalHost(host);
  if (!name.ok()) return Rule(absl::StrCat("has no valid host: ", name.status().message()));
  return name;
}

absl::StatusOr<std::string> ParseBracketedHost(absl::string_view host) {
  const std::string text = absl::AsciiStrToLower(host);
  unsigned char address[sizeof(in6_addr)];
  if (inet_pton(AF_INET6, text.c_str(), address) != 1) return Rule("has no valid IPv6 address");
  return text;
}

absl::StatusOr<int> ParsePort(absl::string_view rest, absl::string_view scheme) {
  if (rest.empty() || rest == ":") return scheme == "https" ? 443 : 80;
  rest.remove_prefix(1);
  int port = 0;
  const bool digits = rest.find_first_not_of("0123456789") == absl::string_view::npos;
  if (!digits || !absl::SimpleAtoi(rest, &port) || port < 1 || port > kMaxPort) {
    return Rule("must have a port of 1 to 65535");
  }
  return port;
}

}  // namespace

absl::StatusOr<HttpUrl> ParseHttpUrl(absl::string_view url) {
  PADDOCK_RETURN_IF_ERROR(CheckCharacters(url));
  HttpUrl result;
  PADDOCK_ASSIGN_OR_RETURN(result.scheme, ParseScheme(&url));
  absl::string_view authority = url.substr(0, url.find_first_of("/\\?#"));
  if (authority.empty()) return Rule("must have a host");
  if (absl::StrContains(authority, '@')) return Rule("must not hold credentials");
  size_t host_end = 0;
  if (authority.front() == '[') {
    host_end = authority.find(']');
    if (host_end == absl::string_view::npos) return Rule("has no valid IPv6 address");
    PADDOCK_ASSIGN_OR_RETURN(result.host, ParseBracketedHost(authority.substr(1, host_end - 1)));
    ++host_end;
  } else {
    host_end = std::min(authority.find(':'), authority.size());
    PADDOCK_ASSIGN_OR_RETURN(result.host, ParseHost(authority.substr(0, host_end)));
  }
  const absl::string_view rest = authority.substr(host_end);
  if (!rest.empty() && rest.front() != ':') return Rule("must have a port of 1 to 65535");
  PADDOCK_ASSIGN_OR_RETURN(result.port, ParsePort(rest, result.scheme));
  return result;
}

}  // namespace paddock
