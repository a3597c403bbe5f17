#include "common/ids.h"

#include <openssl/rand.h>

#include <cstdint>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace paddock {
namespace {

constexpr absl::string_view kAlphabet = "0123456789abcdefghjkmnpqrstvwxyz";
constexpr int kTimeCharacters = 10;
constexpr int kRandomCharacters = 16;

}  // namespace

std::string NewId(absl::string_view prefix, absl::Time now) {
  std::string id(prefix);
  const uint64_t millis = static_cast<uint64_t>(absl::ToUnixMillis(now));
  for (int i = kTimeCharacters - 1; i >= 0; --i) id.push_back(kAlphabet[(millis >> (5 * i)) & 31]);
  unsigned char random[kRandomCharacters];
  // Fails only when the kernel has no entropy source at all.
  if (RAND_bytes(random, sizeof(random)) != 1) abort();
  for (unsigned char byte : random) id.push_back(kAlphabet[byte & 31]);
  return id;
}

bool IsWellFormedId(absl::string_view prefix, absl::string_view id) {
  if (!absl::StartsWith(id, prefix)) return false;
  id.remove_prefix(prefix.size());
  if (id.size() != kTimeCharacters + kRandomCharacters) return false;
  return id.find_first_not_of(kAlphabet) == absl::string_view::npos;
}

}  // namespace paddock
