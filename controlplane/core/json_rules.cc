#include "controlplane/core/json_rules.h"

#include <cmath>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/utf8.h"

namespace paddock {
namespace {

constexpr int kMaxDepth = 32;
constexpr size_t kScalarSize = 8;

bool IsStorable(const std::string& text) {
  return text.find('\0') == std::string::npos && CountCodePoints(text).has_value();
}

// The first fault in `value` as text to be put behind the field's name, or nullopt.
std::optional<std::string> FindFault(const nlohmann::json& value, int depth) {
  if (depth > kMaxDepth) return absl::StrCat("must have at most ", kMaxDepth, " levels");
  if (value.is_string() && !IsStorable(value.get_ref<const std::string&>())) {
    return "must hold strings of valid UTF-8 without NUL only";
  }
  if (value.is_number_float() && !std::isfinite(value.get<double>())) {
    return "must hold finite numbers only";
  }
  if (!value.is_structured()) return std::nullopt;
  for (auto item = value.begin(); item != value.end(); ++item) {
    if (value.is_object() && !IsStorable(item.key())) {
      return "must hold keys of valid UTF-8 without NUL only";
    }
    if (auto fault = FindFault(*item, depth + 1); fault.has_value()) return fault;
  }
  return std::nullopt;
}

}  // namespace

void CheckOpaqueJson(absl::string_view field, const nlohmann::json& value, Violations* violations) {
  if (auto fault = FindFault(value, 1); fault.has_value()) {
    violations->Add(std::string(field), *std::move(fault));
  }
}

size_t ApproximateSize(const nlohmann::json& value) {
  if (value.is_string()) return value.get_ref<const std::string&>().size() + 2;
  size_t size = kScalarSize;
  if (!value.is_structured()) return size;
  for (auto item = value.begin(); item != value.end(); ++item) {
    if (value.is_object()) size += item.key().size() + 4;
    size += ApproximateSize(*item);
  }
  return size;
}

}  // namespace paddock
