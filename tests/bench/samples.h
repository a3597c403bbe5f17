#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/time/time.h"

namespace paddock::bench {

// Durations of one step. Not thread-safe.
class Samples {
 public:
  void Add(absl::Duration duration) { millis_.push_back(absl::ToDoubleMilliseconds(duration)); }
  void Merge(const Samples& other) {
    millis_.insert(millis_.end(), other.millis_.begin(), other.millis_.end());
  }
  size_t size() const { return millis_.size(); }

  // The value that `percent` of the samples don't exceed, in milliseconds; 0 without samples.
  double Percentile(double percent) const {
    if (millis_.empty()) return 0;
    std::vector<double> sorted = millis_;
    std::sort(sorted.begin(), sorted.end());
    const size_t rank = static_cast<size_t>(percent / 100 * static_cast<double>(sorted.size()));
    return sorted[std::min(rank, sorted.size() - 1)];
  }

 private:
  std::vector<double> millis_;
};

}  // namespace paddock::bench
