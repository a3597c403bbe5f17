// What one node sustains, with real containers: an open-loop rate of whole cycles, the rate at
// which it saturates beside that of the bare OCI runtime, and starts while more and more sessions
// idle.

#include <atomic>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/status_macros.h"
#include "tests/bench/bare_runtime.h"
#include "tests/bench/bench_main.h"
#include "tests/bench/machine_meter.h"
#include "tests/bench/report.h"
#include "tests/bench/session_cycle.h"

ABSL_FLAG(std::string, home, "", "PADDOCK_HOME of the running system; default: the variable");
ABSL_FLAG(std::string, rootfs, "",
          "root file system of the baseline; default: the base image of the first agent");
ABSL_FLAG(std::string, runtime, "crun", "OCI runtime of the baseline");
ABSL_FLAG(double, rate, 25, "open loop: cycles started per second");
ABSL_FLAG(absl::Duration, open_loop, absl::Seconds(60), "open loop: for how long; 0 leaves it out");
ABSL_FLAG(int, workers, 4, "saturation: cycles at once, and bare runs at once");
ABSL_FLAG(int, rounds, 3, "saturation: bare and ours take turns so often; 0 leaves it out");
ABSL_FLAG(absl::Duration, round, absl::Seconds(5), "saturation: how long a turn takes");
ABSL_FLAG(int, idle, 1000, "idle sessions at once; 0 leaves it out");
ABSL_FLAG(std::string, json, "", "file for the results as JSON");

namespace paddock::bench {
namespace {

using testing::Endpoint;
using testing::PaddockClient;

constexpr int kHundred = 100;
// What an idle session is charged, so that a thousand fit on a small machine's books.
constexpr int64_t kIdleBytes = int64_t{4} << 20;

// What the parts of the benchmark share.
struct Bench {
  Endpoint endpoint;
  std::unique_ptr<PaddockClient> client;
  std::string environment_id;
  Report report;
};

void OpenLoop(Bench& bench) {
  const double rate = absl::GetFlag(FLAGS_rate);
  const int count = static_cast<int>(rate * absl::ToDoubleSeconds(absl::GetFlag(FLAGS_open_loop)));
  if (count == 0) return;
  absl::Duration latest;
  const CycleSamples samples =
      RunOpenLoop(bench.endpoint, bench.environment_id, count, absl::Seconds(1) / rate, &latest);
  const std::string title = absl::StrCat("Open loop, ", rate, " cycles started per second");
  bench.report.Section(title);
  bench.report.Steps(title, "create", samples.create);
  bench.report.Steps(title, "create to first command", samples.create_to_first_command);
  bench.report.Steps(title, "exec", samples.exec);
  bench.report.Steps(title, "delete", samples.remove);
  bench.report.Steps(title, "create, exec, delete", samples.whole);
  if (samples.failed > 0) absl::PrintF("  first failure: %s\n", samples.first_error);
  bench.report.Figure(title, "latest start of a cycle", absl::ToDoubleMilliseconds(latest), "ms");
  bench.report.Goal("open loop: failed", samples.failed, 0, "cycles");
  bench.report.Goal("open loop: create, exec, delete, p99", samples.whole.Percentile(99), 250,
                    "ms");
}

// How often per second `work` succeeds, in as many threads as it has members.
absl::StatusOr<double> Saturate(const std::vector<std::function<absl::Status()>>& work,
                                absl::Duration how_long) {
  absl::Mutex mutex;
  absl::Status first_error;
  std::atomic<int64_t> done{0};
  std::vector<std::thread> threads;
  const absl::Time start = absl::Now();
  for (const auto& one : work) {
    threads.emplace_back([&] {
      while (absl::Now() < start + how_long) {
        const absl::Status status = one();
        if (status.ok()) {
          ++done;
          continue;
        }
        absl::MutexLock lock(&mutex);
        first_error.Update(status);
        return;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  if (!first_error.ok()) return first_error;
  return static_cast<double>(done) / absl::ToDoubleSeconds(absl::Now() - start);
}

// The two take turns, so that a noisy moment of the machine hits both.
absl::Status Saturation(Bench& bench, const std::string& rootfs) {
  const int rounds = absl::GetFlag(FLAGS_rounds);
  if (rounds == 0) return absl::OkStatus();
  std::vector<std::unique_ptr<BareRuntime>> runtimes;
  std::vector<std::function<absl::Status()>> bare, ours;
  const auto lanes = MakeLanes(bench.endpoint);
  for (int i = 0; i < absl::GetFlag(FLAGS_workers); ++i) {
    PADDOCK_ASSIGN_OR_RETURN(BareRuntime runtime,
                             BareRuntime::Create(absl::GetFlag(FLAGS_runtime), rootfs));
    runtimes.push_back(std::make_unique<BareRuntime>(std::move(runtime)));
    bare.emplace_back([runtime = runtimes.back().get()] { return runtime->RunAndDelete(); });
    ours.emplace_back([client = lanes[i % lanes.size()].get(), &bench] {
      return RunCycle(*client, bench.environment_id).status();
    });
  }
  double bare_rate = 0, our_rate = 0;
  for (int i = 0; i < rounds; ++i) {
    PADDOCK_ASSIGN_OR_RETURN(const double bare_now, Saturate(bare, absl::GetFlag(FLAGS_round)));
    PADDOCK_ASSIGN_OR_RETURN(const double our_now, Saturate(ours, absl::GetFlag(FLAGS_round)));
    bare_rate += bare_now / rounds;
    our_rate += our_now / rounds;
  }
  bench.report.Title(absl::StrCat("Saturation, ", bare.size(), " at once, in turn"));
  bench.report.Figure("saturation", "bare run, delete", bare_rate, "/s");
  bench.report.Figure("saturation", "create, exec, delete", our_rate, "/s");
  bench.report.GoalAtLeast("saturation: ours / bare", our_rate / bare_rate, 0.6, "x");
  return absl::OkStatus();
}

absl::StatusOr<std::string> CreateIdle(Bench& bench, Samples* samples) {
  v1::CreateSessionRequest request;
  request.set_environment_id(bench.environment_id);
  request.mutable_compute()->mutable_requests()->set_memory_bytes(kIdleBytes);
  request.mutable_compute()->mutable_requests()->set_disk_bytes(kIdleBytes);
  const absl::Time start = absl::Now();
  PADDOCK_ASSIGN_OR_RETURN(const v1::Session session, bench.client->CreateSession(request));
  if (session.state() == v1::SESSION_STATE_RUNNING) samples->Add(absl::Now() - start);
  return session.id();
}

absl::Status Idle(Bench& bench) {
  const int count = absl::GetFlag(FLAGS_idle);
  if (count == 0) return absl::OkStatus();
  const int64_t memory = MachineMeter::AvailableMemory();
  Samples first, last, others;
  std::vector<std::string> ids;
  absl::Status status;
  for (int i = 0; i < count && status.ok(); ++i) {
    const absl::StatusOr<std::string> id = CreateIdle(bench, i < kHundred            ? &first
                                                             : i >= count - kHundred ? &last
                                                                                     : &others);
    status = id.status();
    if (id.ok()) ids.push_back(*id);
  }
  const double used = static_cast<double>(memory - MachineMeter::AvailableMemory());
  // All of them still answer.
  for (size_t i = 0; i < ids.size() && status.ok(); i += kHundred) {
    status = bench.client->Exec(ids[i], {"/bin/true"}).status();
  }
  for (const std::string& id : ids) status.Update(bench.client->DeleteSession(id));
  PADDOCK_RETURN_IF_ERROR(status);
  const std::string title = absl::StrCat(count, " idle sessions at once");
  bench.report.Section(title);
  bench.report.Steps(title, "create, the first hundred", first);
  bench.report.Steps(title, "create, those between", others);
  bench.report.Steps(title, "create, the last hundred", last);
  bench.report.Figure(title, "memory of one (MemAvailable)", used / count / (1 << 20), "MiB");
  bench.report.Goal("idle: not RUNNING",
                    count - static_cast<double>(first.size() + others.size() + last.size()), 0,
                    "sessions");
  bench.report.Goal("idle: create, last hundred / first, p50",
                    last.Percentile(50) / first.Percentile(50), 1.5, "x");
  return absl::OkStatus();
}

absl::Status RunAll(Bench& bench) {
  std::string rootfs = absl::GetFlag(FLAGS_rootfs);
  if (rootfs.empty()) {
    PADDOCK_ASSIGN_OR_RETURN(rootfs, FindRootfs(bench.endpoint.home));
  }
  for (int i = 0; i < 3; ++i) {  // Warm.
    PADDOCK_RETURN_IF_ERROR(RunCycle(*bench.client, bench.environment_id).status());
  }
  OpenLoop(bench);
  PADDOCK_RETURN_IF_ERROR(Saturation(bench, rootfs));
  return Idle(bench);
}

absl::Status Main() {
  Bench bench;
  PADDOCK_ASSIGN_OR_RETURN(bench.endpoint, Endpoint::FromHome(absl::GetFlag(FLAGS_home)));
  bench.client = std::make_unique<PaddockClient>(bench.endpoint);
  const std::string name = absl::StrCat("density-bench-", absl::ToUnixMicros(absl::Now()));
  PADDOCK_ASSIGN_OR_RETURN(const v1::Environment environment,
                           bench.client->CreateEnvironment(name));
  bench.environment_id = environment.id();
  absl::Status status = RunAll(bench);
  status.Update(bench.client->DeleteEnvironment(bench.environment_id));
  return bench.report.Conclude(absl::GetFlag(FLAGS_json), status);
}

}  // namespace
}  // namespace paddock::bench

int main(int argc, char** argv) {
  return paddock::bench::BenchMain(argc, argv, "density_bench", &paddock::bench::Main);
}
