#include "controlplane/store/params.h"

#include "absl/strings/str_join.h"
#include "controlplane/store/time_codec.h"

namespace paddock {

Params& Params::Add(absl::Time value) { return Add(FormatSqlTime(value)); }

Params& Params::Add(absl::Duration value) {
  return Add(absl::StrCat(absl::ToInt64Microseconds(value), " microseconds"));
}

Params& Params::Add(const std::vector<std::string>& values) {
  std::string text = "{";
  for (const std::string& value : values) {
    if (text.size() > 1) text += ',';
    text += '"';
    for (char c : value) {
      if (c == '"' || c == '\\') text += '\\';
      text += c;
    }
    text += '"';
  }
  text += '}';
  return Add(text);
}

Params& Params::Add(const std::vector<int64_t>& values) {
  return Add(absl::StrCat("{", absl::StrJoin(values, ","), "}"));
}

std::vector<const char*> Params::pointers() const {
  std::vector<const char*> pointers;
  pointers.reserve(values_.size());
  for (const auto& value : values_) {
    pointers.push_back(value.has_value() ? value->c_str() : nullptr);
  }
  return pointers;
}

}  // namespace paddock
