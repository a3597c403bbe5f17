#pragma once

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tests/bench/samples.h"
#include "tests/support/paddock_client.h"

namespace paddock::bench {

// Times of one create -> first command answered -> delete.
struct CycleTimes {
  absl::Duration create;                   // CreateSession answered RUNNING.
  absl::Duration exec;                     // First command: from the call to its end.
  absl::Duration create_to_first_command;  // From CreateSession to the first output of the command.
  absl::Duration remove;                   // DeleteSession answered.
};

// Runs one cycle; a session that was made is deleted on every path.
absl::StatusOr<CycleTimes> RunCycle(testing::PaddockClient& client,
                                    const std::string& environment_id);

// Samples of many cycles, by step.
struct CycleSamples {
  Samples create, exec, create_to_first_command, remove;
  int failed = 0;
  std::string first_error;

  void Add(const absl::StatusOr<CycleTimes>& times);
};

}  // namespace paddock::bench
