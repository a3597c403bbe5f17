#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/errors.h"

namespace paddock {

// Collects what is wrong with one request, so that its sender learns all of it at once. Bounded: a
// request of a million bad fields costs no more than one of twenty. Not thread-safe.
class Violations {
 public:
  static constexpr size_t kMax = 20;

  // `rule` says what must hold, without naming the field.
  void Add(std::string field, std::string rule) {
    if (!full()) violations_.push_back({std::move(field), std::move(rule)});
  }

  bool empty() const { return violations_.empty(); }
  // Further checks would change nothing: loops over input stop here.
  bool full() const { return violations_.size() >= kMax; }

  // OK when empty, else errors::InvalidFields.
  absl::Status ToStatus() const {
    return empty() ? absl::OkStatus() : errors::InvalidFields(violations_);
  }

 private:
  std::vector<FieldViolation> violations_;
};

}  // namespace paddock
