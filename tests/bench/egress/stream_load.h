#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "nodeagent/system/unique_fd.h"
#include "tests/bench/samples.h"

namespace paddock::bench {

// Where a client connects to.
struct Target {
  std::string address;
  int port = 0;
};

// Clients of StreamServer, in the calling thread's network namespace. Every wait is bounded by some
// seconds: DEADLINE_EXCEEDED, or the failed step.

absl::StatusOr<nodeagent::UniqueFd> Connect(const Target& target);
// One byte there and back.
absl::Status Echo(int fd);
// Bytes per second of one stream from the source.
absl::StatusOr<double> Throughput(const Target& target, absl::Duration duration);
// Connections per second, each with one echo, by `clients` threads of the current namespace.
absl::StatusOr<double> ConnectionRate(const Target& target, int clients, absl::Duration duration);
// The time of an echo on a connection that is open.
absl::StatusOr<Samples> RoundTrips(const Target& target, int count);
// The time of connecting and one echo.
absl::StatusOr<Samples> FirstBytes(const Target& target, int count);
// Connections that have had one echo and stay open: `count`, or at least half of it if no more are
// taken.
absl::StatusOr<std::vector<nodeagent::UniqueFd>> Hold(const Target& target, int count);

}  // namespace paddock::bench
