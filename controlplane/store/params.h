#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace paddock {

// The parameters of one SQL statement, in text form. Not thread-safe.
class Params {
 public:
  Params& Add(absl::string_view value) {
    // PostgreSQL's text ends at a NUL; never store less than what was given.
    has_nul_ = has_nul_ || value.find('\0') != absl::string_view::npos;
    values_.emplace_back(std::string(value));
    return *this;
  }
  Params& Add(const char* value) { return Add(absl::string_view(value)); }
  Params& Add(int64_t value) {
    values_.emplace_back(absl::StrCat(value));
    return *this;
  }
  Params& Add(int value) { return Add(int64_t{value}); }
  Params& Add(bool value) {
    values_.emplace_back(value ? "t" : "f");
    return *this;
  }
  Params& Add(absl::Time value);
  // As an interval.
  Params& Add(absl::Duration value);
  // As an array.
  Params& Add(const std::vector<std::string>& values);
  Params& Add(const std::vector<int64_t>& values);
  template <typename T>
  Params& Add(const std::optional<T>& value) {
    if (value.has_value()) return Add(*value);
    return AddNull();
  }
  Params& AddNull() {
    values_.emplace_back(std::nullopt);
    return *this;
  }

  bool has_nul() const { return has_nul_; }
  // Null pointers stand for NULL. Valid as long as this object isn't changed.
  std::vector<const char*> pointers() const;

 private:
  std::vector<std::optional<std::string>> values_;
  bool has_nul_ = false;
};

}  // namespace paddock
