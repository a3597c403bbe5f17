#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

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
  absl::Duration whole;                    // From the first call to the last answer.
};

// Runs one cycle; a session that was made is deleted on every path.
absl::StatusOr<CycleTimes> RunCycle(testing::PaddockClient& client,
                                    const std::string& environment_id);

// Samples of many cycles, by step.
struct CycleSamples {
  Samples create, exec, create_to_first_command, remove, whole;
  int failed = 0;
  std::string first_error;

  void Add(const absl::StatusOr<CycleTimes>& times);
};

// Runs `count` cycles in threads of their own over several connections, number i started
// `interval` * i after the start, however the others fare. `latest_start`, if given: how late the
// generator itself was at most.
CycleSamples RunOpenLoop(const testing::Endpoint& endpoint, const std::string& environment_id,
                         int count, absl::Duration interval,
                         absl::Duration* latest_start = nullptr);

// Clients with a connection each.
std::vector<std::unique_ptr<testing::PaddockClient>> MakeLanes(const testing::Endpoint& endpoint);

}  // namespace paddock::bench
