#include "nodeagent/egress/resolvers.h"

#include <arpa/inet.h>
#include <net/if.h>

#include <cstring>

#include "absl/strings/str_split.h"

namespace paddock::nodeagent {
namespace {

constexpr size_t kMaxResolvers = 3;
constexpr uint16_t kDnsPort = 53;

bool ParseAddress(absl::string_view text, ResolverAddress* resolver) {
  auto* v4 = reinterpret_cast<sockaddr_in*>(&resolver->address);
  if (inet_pton(AF_INET, std::string(text).c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(kDnsPort);
    resolver->size = sizeof(*v4);
    return true;
  }
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&resolver->address);
  size_t percent = text.find('%');
  if (inet_pton(AF_INET6, std::string(text.substr(0, percent)).c_str(), &v6->sin6_addr) != 1) {
    return false;
  }
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons(kDnsPort);
  if (percent != absl::string_view::npos) {
    v6->sin6_scope_id = if_nametoindex(std::string(text.substr(percent + 1)).c_str());
  }
  resolver->size = sizeof(*v6);
  return true;
}

}  // namespace

std::vector<ResolverAddress> ParseResolvConf(absl::string_view text) {
  std::vector<ResolverAddress> resolvers;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    std::vector<absl::string_view> words =
        absl::StrSplit(line, absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
    ResolverAddress resolver;
    if (words.size() < 2 || words[0] != "nameserver" || !ParseAddress(words[1], &resolver)) {
      continue;
    }
    resolvers.push_back(resolver);
    if (resolvers.size() == kMaxResolvers) break;
  }
  return resolvers;
}

bool WatchedFile::Changed() {
  struct stat now = {};
  bool exists = stat(path_.c_str(), &now) == 0;
  bool same = !first_ && exists == exists_ && now.st_dev == last_.st_dev &&
              now.st_ino == last_.st_ino && now.st_size == last_.st_size &&
              memcmp(&now.st_mtim, &last_.st_mtim, sizeof(now.st_mtim)) == 0 &&
              memcmp(&now.st_ctim, &last_.st_ctim, sizeof(now.st_ctim)) == 0;
  first_ = false;
  exists_ = exists;
  last_ = now;
  return !same;
}

}  // namespace paddock::nodeagent
