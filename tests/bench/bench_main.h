#pragma once

#include "absl/flags/parse.h"
#include "absl/status/status.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"

namespace paddock::bench {

// The main of every benchmark: reads the flags, runs it, and says why it couldn't be run. A missed
// goal is no error.
inline int BenchMain(int argc, char** argv, absl::string_view name, absl::Status (*run)()) {
  absl::ParseCommandLine(argc, argv);
  const absl::Status status = run();
  if (status.ok()) return 0;
  absl::FPrintF(stderr, "%s: %s\n", name, status.ToString());
  return 1;
}

}  // namespace paddock::bench
