#include "tests/bench/session_cycle.h"

#include <algorithm>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"

namespace paddock::bench {
namespace {

constexpr int kLanes = 8;
constexpr absl::Duration kConnectTimeout = absl::Seconds(10);

absl::Status FirstCommand(testing::PaddockClient& client, const v1::Session& session,
                          absl::Time start, CycleTimes* times) {
  if (session.state() != v1::SESSION_STATE_RUNNING) {
    return absl::UnavailableError(absl::StrCat(
        "session is ", v1::SessionState_Name(session.state()), ": ", session.state_reason()));
  }
  const absl::Time called = absl::Now();
  absl::StatusOr<testing::ExecResult> result = client.Exec(session.id(), {"/bin/echo", "ready"});
  if (!result.ok()) return result.status();
  if (result->out != "ready\n" || result->code != 0) return absl::InternalError("wrong answer");
  times->exec = absl::Now() - called;
  times->create_to_first_command = called - start + result->first_output_after;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<CycleTimes> RunCycle(testing::PaddockClient& client,
                                    const std::string& environment_id) {
  CycleTimes times;
  const absl::Time start = absl::Now();
  absl::StatusOr<v1::Session> session = client.CreateSession(environment_id);
  if (!session.ok()) return session.status();
  times.create = absl::Now() - start;
  const absl::Status command = FirstCommand(client, *session, start, &times);
  const absl::Time deleting = absl::Now();
  const absl::Status deleted = client.DeleteSession(session->id());
  times.remove = absl::Now() - deleting;
  times.whole = absl::Now() - start;
  if (!command.ok()) return command;
  if (!deleted.ok()) return deleted;
  return times;
}

void CycleSamples::Add(const absl::StatusOr<CycleTimes>& times) {
  if (!times.ok()) {
    if (failed++ == 0) first_error = times.status().ToString();
    return;
  }
  create.Add(times->create);
  exec.Add(times->exec);
  create_to_first_command.Add(times->create_to_first_command);
  remove.Add(times->remove);
  whole.Add(times->whole);
}

std::vector<std::unique_ptr<testing::PaddockClient>> MakeLanes(const testing::Endpoint& endpoint) {
  std::vector<std::unique_ptr<testing::PaddockClient>> lanes;
  for (int i = 0; i < kLanes; ++i) {
    lanes.push_back(
        std::make_unique<testing::PaddockClient>(endpoint, testing::MakeChannel(endpoint, i + 1)));
    lanes.back()->channel()->WaitForConnected(absl::ToChronoTime(absl::Now() + kConnectTimeout));
  }
  return lanes;
}

CycleSamples RunOpenLoop(const testing::Endpoint& endpoint, const std::string& environment_id,
                         int count, absl::Duration interval, absl::Duration* latest_start) {
  absl::Mutex mutex;
  CycleSamples samples;
  std::vector<std::thread> threads;
  const auto lanes = MakeLanes(endpoint);
  const absl::Time start = absl::Now();
  for (int i = 0; i < count; ++i) {
    const absl::Time due = start + interval * i;
    absl::SleepFor(due - absl::Now());
    if (latest_start != nullptr) *latest_start = std::max(*latest_start, absl::Now() - due);
    threads.emplace_back([&, i] {
      const absl::StatusOr<CycleTimes> times = RunCycle(*lanes[i % lanes.size()], environment_id);
      absl::MutexLock lock(&mutex);
      samples.Add(times);
    });
  }
  for (std::thread& thread : threads) thread.join();
  return samples;
}

}  // namespace paddock::bench
