#pragma once

#include <optional>
#include <utility>

namespace paddock {

// What a patch does to one field: keeps it (the default), clears it to its default, or sets it.
// Front ends decide how their requests say so (a mask, presence, null); the rules below core don't.
template <typename T>
class Change {
 public:
  Change() = default;
  static Change Clear() { return Change(true, std::nullopt); }
  static Change Set(T value) { return Change(false, std::move(value)); }

  bool keeps() const { return !clear_ && !value_.has_value(); }
  bool clears() const { return clear_; }
  bool sets() const { return value_.has_value(); }
  // Only when sets().
  const T& value() const { return *value_; }

  // `field` after the change; T() is the default that Clear means.
  void ApplyTo(T* field) const {
    if (clear_) *field = T();
    if (value_.has_value()) *field = *value_;
  }
  // The same for a field that can be null, which is then what Clear means.
  void ApplyTo(std::optional<T>* field) const {
    if (clear_) field->reset();
    if (value_.has_value()) *field = *value_;
  }

 private:
  Change(bool clear, std::optional<T> value) : clear_(clear), value_(std::move(value)) {}

  bool clear_ = false;
  std::optional<T> value_;
};

}  // namespace paddock
