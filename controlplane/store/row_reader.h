#pragma once

#include <cstdint>
#include <optional>
#include <pqxx/pqxx>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "controlplane/store/time_codec.h"

namespace paddock {

// Reads the columns of a row from left to right. The statements and their readers stand beside each
// other, so order is all there is to know. Not thread-safe.
class RowReader {
 public:
  explicit RowReader(const pqxx::row& row) : row_(row) {}

  absl::string_view Text() {
    const pqxx::field field = row_[next_++];
    return absl::string_view(field.c_str(), field.size());
  }
  std::string String() { return std::string(Text()); }
  std::optional<std::string> OptionalString() {
    if (IsNull()) return Skip<std::string>();
    return String();
  }
  int64_t Integer() {
    int64_t value = 0;
    // NULL reads as 0.
    (void)absl::SimpleAtoi(Text(), &value);
    return value;
  }
  std::optional<int> OptionalInteger() {
    if (IsNull()) return Skip<int>();
    return static_cast<int>(Integer());
  }
  // NULL reads as false.
  bool Boolean() { return Text() == "t"; }
  absl::Time Time() { return ParseSqlTime(Text()); }
  std::optional<absl::Time> OptionalTime() {
    if (IsNull()) return Skip<absl::Time>();
    return Time();
  }
  // Seconds with a fraction; NULL reads as infinite.
  absl::Duration Seconds() {
    double seconds = 0;
    if (!absl::SimpleAtod(Text(), &seconds)) return absl::InfiniteDuration();
    return absl::Seconds(seconds);
  }
  bool IsNull() const { return row_[next_].is_null(); }

 private:
  template <typename T>
  std::optional<T> Skip() {
    ++next_;
    return std::nullopt;
  }

  const pqxx::row row_;
  int next_ = 0;
};

}  // namespace paddock
