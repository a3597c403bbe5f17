#include "controlplane/core/json_path.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/utf8.h"

namespace paddock {
namespace {

constexpr size_t kMaxWord = 40;
constexpr size_t kMaxQuoted = 64;

bool IsWord(absl::string_view name) {
  return !name.empty() && name.size() <= kMaxWord &&
         std::all_of(name.begin(), name.end(),
                     [](unsigned char c) { return absl::ascii_isalnum(c) || c == '_'; });
}

}  // namespace

std::string MemberPath(absl::string_view object, absl::string_view member) {
  if (!IsWord(member) || object == "metadata") {
    return absl::StrCat(object, "[", Quote(member, kMaxQuoted), "]");
  }
  return absl::StrCat(object, object.empty() ? "" : ".", member);
}

std::string ItemPath(absl::string_view list, size_t index) {
  return absl::StrCat(list, "[", index, "]");
}

std::string DescribePath(absl::string_view path) {
  return path.empty() ? "the body" : std::string(path);
}

}  // namespace paddock
