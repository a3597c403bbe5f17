#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tests/bench/samples.h"
#include "tests/support/paddock_client.h"

namespace paddock::bench {

// Latency of commands in one session, alone and beside a greedy sibling.
struct NeighbourSamples {
  Samples alone;
  Samples beside;
};

// Runs `count` commands in a session of `environment_id`, then as many more while a second session
// takes all that it may: processes, memory, disk, and a core for each of its busy loops. Both are
// deleted. Errors: a command that failed, or no session.
absl::StatusOr<NeighbourSamples> MeasureNeighbour(testing::PaddockClient& client,
                                                  const std::string& environment_id, int count);

}  // namespace paddock::bench
