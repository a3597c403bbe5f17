#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"
#include "tests/bench/samples.h"

namespace paddock::bench {

// Prints results as text while they come, and keeps them for the JSON file. Not thread-safe.
class Report {
 public:
  // A heading for the lines that follow.
  void Section(absl::string_view title);
  // A heading without the columns of steps.
  void Title(absl::string_view title);
  // p50, p90, p99 and max of one step, in milliseconds.
  void Steps(absl::string_view section, absl::string_view step, const Samples& samples);
  // One figure with its unit.
  void Figure(absl::string_view section, absl::string_view name, double value,
              absl::string_view unit);
  // A figure that has a goal: `value` should be at most `limit`.
  void Goal(absl::string_view name, double value, double limit, absl::string_view unit);
  // A figure that should be at least `limit`.
  void GoalAtLeast(absl::string_view name, double value, double limit, absl::string_view unit);

  // After the last line: writes everything to the file `json`, if it has a name, and says how many
  // goals were missed. Answers `run`, how the benchmark went, else what failed here.
  absl::Status Conclude(const std::string& json, const absl::Status& run) const;
  // Goals that were missed.
  int missed() const { return missed_; }

 private:
  void AddGoal(absl::string_view name, double value, double limit, absl::string_view unit,
               absl::string_view bound, bool met);

  nlohmann::ordered_json json_;
  int missed_ = 0;
};

}  // namespace paddock::bench
