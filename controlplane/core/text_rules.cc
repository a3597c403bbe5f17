#include "controlplane/core/text_rules.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/utf8.h"

namespace paddock {
namespace {

// The longest form of a code point in UTF-8.
constexpr size_t kMaxBytesPerCharacter = 4;
constexpr size_t kMaxKeyInPath = 64;

std::string WithThousands(size_t number) {
  std::string digits = absl::StrCat(number);
  for (int i = static_cast<int>(digits.size()) - 3; i > 0; i -= 3) digits.insert(i, ",");
  return digits;
}

std::string LengthRule(size_t minimum, size_t maximum) {
  if (minimum == 0)
    return absl::StrCat("must have at most ", WithThousands(maximum), " characters");
  return absl::StrCat("must have ", minimum, " to ", WithThousands(maximum), " characters");
}

}  // namespace

void CheckText(absl::string_view field, absl::string_view text, size_t minimum, size_t maximum,
               Controls controls, Violations* violations) {
  if (text.size() > maximum * kMaxBytesPerCharacter) {
    violations->Add(std::string(field), LengthRule(minimum, maximum));
    return;
  }
  size_t count = 0;
  bool has_control = false;
  bool has_nul = false;
  for (; !text.empty(); ++count) {
    const auto code_point = ConsumeCodePoint(&text);
    if (!code_point.has_value()) {
      violations->Add(std::string(field), "must be valid UTF-8");
      return;
    }
    has_nul |= *code_point == 0;
    has_control |= IsControl(*code_point);
  }
  if (count < minimum || count > maximum) {
    violations->Add(std::string(field), LengthRule(minimum, maximum));
  } else if (has_control && controls == Controls::kRefused) {
    violations->Add(std::string(field), "must not hold control characters");
  } else if (has_nul) {
    violations->Add(std::string(field), "must not hold the NUL character");
  }
}

void CheckName(absl::string_view field, absl::string_view name, Violations* violations) {
  if (name.empty()) {
    violations->Add(std::string(field), "is required: 1 to 256 characters");
    return;
  }
  Violations of_text;
  CheckText(field, name, 1, kMaxNameCharacters, Controls::kRefused, &of_text);
  if (!of_text.empty()) {
    CheckText(field, name, 1, kMaxNameCharacters, Controls::kRefused, violations);
    return;
  }
  while (!name.empty()) {
    if (!IsWhiteSpace(*ConsumeCodePoint(&name))) return;
  }
  violations->Add(std::string(field), "must hold more than white space");
}

void CheckDescription(absl::string_view description, Violations* violations) {
  CheckText("description", description, 0, kMaxDescriptionCharacters, Controls::kAllowed,
            violations);
}

void CheckTitle(absl::string_view title, Violations* violations) {
  CheckText("title", title, 0, kMaxTitleCharacters, Controls::kRefused, violations);
}

void CheckRequestId(absl::string_view request_id, Violations* violations) {
  CheckText("request_id", request_id, 0, kMaxRequestIdCharacters, Controls::kRefused, violations);
}

void CheckMetadata(const Metadata& metadata, Violations* violations) {
  if (metadata.size() > kMaxMetadataPairs) {
    violations->Add("metadata", absl::StrCat("must have at most ", kMaxMetadataPairs,
                                             " pairs, has ", metadata.size()));
    return;
  }
  for (const auto& [key, value] : metadata) {
    const std::string path = absl::StrCat("metadata[", Quote(key, kMaxKeyInPath), "]");
    Violations of_key;
    CheckText(path, key, 1, kMaxMetadataKeyCharacters, Controls::kRefused, &of_key);
    if (!of_key.empty()) {
      violations->Add(path,
                      "the key must have 1 to 64 characters of valid UTF-8, none of them a "
                      "control character");
    }
    CheckText(path, value, 0, kMaxMetadataValueCharacters, Controls::kAllowed, violations);
  }
}

}  // namespace paddock
