#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "tests/bench/samples.h"
#include "tests/support/paddock_client.h"

namespace paddock::bench {

// What a number of calls came to.
struct LoadResult {
  Samples latency;  // Of those that succeeded; open loop: from when they should have begun.
  int64_t failed = 0;
  std::string first_error;
  std::vector<std::string> ids;  // Of the sessions made.
  absl::Duration took;
  // How late the generator itself began a call, at most.
  absl::Duration latest_start;

  double per_second() const {
    return static_cast<double>(latency.size()) / absl::ToDoubleSeconds(took);
  }
};

// Calls CreateSession and DeleteSession over several connections, without a thread a call. A create
// counts when it answers RUNNING. Not thread-safe.
class CreateLoad {
 public:
  CreateLoad(const testing::Endpoint& endpoint, std::string environment_id);

  // `count` creates, `at_once` of them at any time.
  LoadResult ClosedLoop(int count, int at_once);
  // `rate` creates begun per second, however the earlier ones fare.
  LoadResult OpenLoop(double rate, absl::Duration how_long);
  // `rate` creates a second; each session is deleted when it runs. `latency` is of the creates.
  LoadResult Churn(double rate, absl::Duration how_long);

 private:
  struct Run;
  enum class AfterCreate { kKeep, kDelete };

  LoadResult Paced(double rate, absl::Duration how_long, AfterCreate after);
  void Create(const std::shared_ptr<Run>& run, absl::Time due, AfterCreate after);
  void Delete(const std::shared_ptr<Run>& run, const std::string& id);
  testing::PaddockClient& NextLane();

  const std::string environment_id_;
  std::vector<std::unique_ptr<testing::PaddockClient>> lanes_;
  std::atomic<uint64_t> next_lane_{0};
};

}  // namespace paddock::bench
