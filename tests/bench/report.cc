#include "tests/bench/report.h"

#include <cstdio>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace paddock::bench {

void Report::Section(absl::string_view title) {
  absl::PrintF("\n%s\n  %-34s %9s %9s %9s %9s %6s\n", title, "", "p50 ms", "p90 ms", "p99 ms",
               "max ms", "n");
}

void Report::Title(absl::string_view title) { absl::PrintF("\n%s\n", title); }

void Report::Steps(absl::string_view section, absl::string_view step, const Samples& samples) {
  absl::PrintF("  %-34s %9.2f %9.2f %9.2f %9.2f %6d\n", step, samples.Percentile(50),
               samples.Percentile(90), samples.Percentile(99), samples.Percentile(100),
               samples.size());
  json_["steps"][std::string(section)][std::string(step)] = {
      {"p50_ms", samples.Percentile(50)}, {"p90_ms", samples.Percentile(90)},
      {"p99_ms", samples.Percentile(99)}, {"max_ms", samples.Percentile(100)},
      {"count", samples.size()},
  };
}

void Report::Figure(absl::string_view section, absl::string_view name, double value,
                    absl::string_view unit) {
  absl::PrintF("  %-34s %9.2f %s\n", name, value, unit);
  json_["figures"][std::string(section)][std::string(name)] = {{"value", value},
                                                               {"unit", std::string(unit)}};
}

void Report::Goal(absl::string_view name, double value, double limit, absl::string_view unit) {
  AddGoal(name, value, limit, unit, "at most", value <= limit);
}

void Report::GoalAtLeast(absl::string_view name, double value, double limit,
                         absl::string_view unit) {
  AddGoal(name, value, limit, unit, "at least", value >= limit);
}

void Report::AddGoal(absl::string_view name, double value, double limit, absl::string_view unit,
                     absl::string_view bound, bool met) {
  if (!met) ++missed_;
  absl::PrintF("  %-4s %-52s %8.2f %s (goal: %s %.2f)\n", met ? "ok" : "MISS", name, value, unit,
               bound, limit);
  json_["goals"][std::string(name)] = {{"value", value},
                                       {"bound", std::string(bound)},
                                       {"limit", limit},
                                       {"unit", std::string(unit)},
                                       {"met", met}};
}

absl::Status Report::Conclude(const std::string& json, const absl::Status& run) const {
  absl::Status status = run;
  if (!json.empty()) {
    std::ofstream file(json);
    file << json_.dump(2) << "\n" << std::flush;
    if (!file.good()) status.Update(absl::InternalError(absl::StrCat("can't write ", json)));
  }
  absl::PrintF("\n%d goals missed\n", missed_);
  return status;
}

}  // namespace paddock::bench
