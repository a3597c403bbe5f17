#include "controlplane/rest/query.h"

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/errors.h"
#include "common/status_macros.h"
#include "common/utf8.h"
#include "controlplane/rest/rest_time.h"

namespace paddock {
namespace {

constexpr size_t kMaxParameters = 200;

int HexDigit(char c) {
  if (absl::ascii_isdigit(c)) return c - '0';
  const char lower = absl::ascii_tolower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

enum class Plus { kPlus, kBlank };

// Decodes `%41`, and in queries `+`.
absl::StatusOr<std::string> Unescape(absl::string_view text, Plus plus) {
  std::string result;
  result.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus == Plus::kBlank) {
      result += ' ';
    } else if (text[i] != '%') {
      result += text[i];
    } else {
      const int high = i + 2 < text.size() ? HexDigit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? HexDigit(text[i + 2]) : -1;
      if (high < 0 || low < 0) {
        return errors::MalformedRequest("the URL has a wrong %-escape");
      }
      result += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  if (!CountCodePoints(result).has_value()) {
    return errors::MalformedRequest("the URL must be valid UTF-8 once it is decoded");
  }
  return result;
}

}  // namespace

absl::StatusOr<Target> Target::Parse(absl::string_view target) {
  if (target.empty() || target[0] != '/') {
    return errors::MalformedRequest("the request's target must be a path");
  }
  Target result;
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(target, absl::MaxSplits('?', 1));
  for (const absl::string_view segment : absl::StrSplit(parts.first.substr(1), '/')) {
    PADDOCK_ASSIGN_OR_RETURN(std::string decoded, Unescape(segment, Plus::kPlus));
    result.path.push_back(std::move(decoded));
  }
  for (const absl::string_view parameter : absl::StrSplit(parts.second, '&', absl::SkipEmpty())) {
    if (result.query.size() >= kMaxParameters) {
      return errors::MalformedRequest(
          absl::StrCat("the URL has more than ", kMaxParameters, " parameters"));
    }
    const std::pair<absl::string_view, absl::string_view> pair =
        absl::StrSplit(parameter, absl::MaxSplits('=', 1));
    PADDOCK_ASSIGN_OR_RETURN(std::string name, Unescape(pair.first, Plus::kBlank));
    PADDOCK_ASSIGN_OR_RETURN(std::string value, Unescape(pair.second, Plus::kBlank));
    result.query.emplace_back(std::move(name), std::move(value));
  }
  return result;
}

QueryReader::QueryReader(const Target& target, Violations* violations)
    : target_(target), violations_(violations), known_({"beta"}) {}

std::optional<std::string> QueryReader::String(absl::string_view name) {
  known_.emplace(name);
  std::optional<std::string> found;
  for (const auto& [key, value] : target_.query) {
    if (key != name) continue;
    if (found.has_value()) violations_->Add(std::string(name), "is there twice");
    found = value;
  }
  return found;
}

std::vector<std::string> QueryReader::Strings(absl::string_view name) {
  const std::string list = absl::StrCat(name, "[]");
  known_.insert(list);
  known_.emplace(name);
  std::vector<std::string> found;
  for (const auto& [key, value] : target_.query) {
    if (key == list || key == name) found.push_back(value);
  }
  return found;
}

std::optional<absl::Time> QueryReader::Time(absl::string_view name) {
  const std::optional<std::string> text = String(name);
  if (!text.has_value()) return std::nullopt;
  const std::optional<absl::Time> time = FromRestTime(*text);
  if (!time.has_value()) {
    violations_->Add(std::string(name), "must be a time such as 2026-01-01T00:00:00Z");
  }
  return time;
}

std::optional<int64_t> QueryReader::Integer(absl::string_view name, int64_t minimum,
                                            int64_t maximum) {
  const std::optional<std::string> text = String(name);
  if (!text.has_value()) return std::nullopt;
  int64_t number = 0;
  if (absl::SimpleAtoi(*text, &number) && number >= minimum && number <= maximum) return number;
  violations_->Add(std::string(name),
                   absl::StrCat("must be a whole number, ", minimum, " to ", maximum));
  return std::nullopt;
}

Archived QueryReader::IncludeArchived() {
  const std::string value = String("include_archived").value_or("false");
  if (value == "true") return Archived::kInclude;
  if (value != "false") violations_->Add("include_archived", "must be true or false");
  return Archived::kExclude;
}

int QueryReader::Limit(int maximum) {
  return static_cast<int>(Integer("limit", 1, maximum).value_or(0));
}

void QueryReader::RefuseTheRest() {
  for (const auto& entry : target_.query) {
    if (known_.count(entry.first) > 0) continue;
    violations_->Add(Quote(entry.first, 40), "isn't a known parameter");
  }
}

}  // namespace paddock
