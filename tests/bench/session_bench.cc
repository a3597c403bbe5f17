// Measures a running Paddock beside the bare OCI runtime, in the same run: sequential cycles, exec
// alone, CPU of a cycle, an open-loop rate, a burst of creates at once, the memory of idle
// sessions, and commands beside a greedy session.

#include <atomic>
#include <cstdio>
#include <map>
#include <memory>
#include <thread>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/status_macros.h"
#include "tests/bench/bare_runtime.h"
#include "tests/bench/bench_main.h"
#include "tests/bench/machine_meter.h"
#include "tests/bench/neighbour.h"
#include "tests/bench/report.h"
#include "tests/bench/session_cycle.h"

ABSL_FLAG(std::string, home, "", "PADDOCK_HOME of the running system; default: the variable");
ABSL_FLAG(std::string, rootfs, "",
          "root file system of the baseline; default: the base image of the first agent");
ABSL_FLAG(std::string, runtime, "crun", "OCI runtime of the baseline");
ABSL_FLAG(int, cycles, 100, "sequential cycles, and runs of the baseline");
ABSL_FLAG(double, rate, 10, "open loop: cycles started per second");
ABSL_FLAG(absl::Duration, open_loop, absl::Seconds(10), "open loop: for how long; 0 leaves it out");
ABSL_FLAG(int, burst, 100, "creates at once; 0 leaves it out");
ABSL_FLAG(int, idle, 200, "idle sessions whose memory is measured; 0 leaves it out");
ABSL_FLAG(int, neighbour, 100, "commands beside a greedy session; 0 leaves it out");
ABSL_FLAG(std::string, json, "", "file for the results as JSON");

namespace paddock::bench {
namespace {

using testing::Endpoint;
using testing::PaddockClient;

// What the parts of the benchmark share.
struct Bench {
  Endpoint endpoint;
  std::unique_ptr<PaddockClient> client;
  std::string environment_id;
  Report report;
};

// Alternates bare and Paddock cycles, so that a noisy moment of the machine hits both.
absl::Status Sequential(Bench& bench, BareRuntime& bare) {
  Samples bare_first, bare_exec;
  CycleSamples ours;
  PADDOCK_RETURN_IF_ERROR(bare.StartSleeper());
  for (int i = 0; i < absl::GetFlag(FLAGS_cycles); ++i) {
    PADDOCK_ASSIGN_OR_RETURN(absl::Duration first, bare.RunToFirstOutput());
    bare_first.Add(first);
    PADDOCK_ASSIGN_OR_RETURN(absl::Duration exec, bare.Exec());
    bare_exec.Add(exec);
    ours.Add(RunCycle(*bench.client, bench.environment_id));
  }
  PADDOCK_RETURN_IF_ERROR(bare.DeleteSleeper());
  if (ours.failed > 0) return absl::InternalError(ours.first_error);
  Report& report = bench.report;
  report.Section("Sequential");
  report.Steps("sequential", "bare run to first output", bare_first);
  report.Steps("sequential", "bare exec", bare_exec);
  report.Steps("sequential", "create", ours.create);
  report.Steps("sequential", "exec", ours.exec);
  report.Steps("sequential", "create to first command", ours.create_to_first_command);
  report.Steps("sequential", "delete", ours.remove);
  report.Goal("create to first command / bare run, p50",
              ours.create_to_first_command.Percentile(50) / bare_first.Percentile(50), 2.0, "x");
  report.Goal("exec / bare exec, p50", ours.exec.Percentile(50) / bare_exec.Percentile(50), 0.6,
              "x");
  return absl::OkStatus();
}

absl::Status CpuOfCycle(Bench& bench, BareRuntime& bare) {
  const int cycles = absl::GetFlag(FLAGS_cycles);
  const double idle = MachineMeter::IdleRate(absl::Seconds(3));
  MachineMeter bare_meter;
  for (int i = 0; i < cycles; ++i) PADDOCK_RETURN_IF_ERROR(bare.RunAndDelete());
  absl::SleepFor(absl::Seconds(1));  // What the kernel still cleans up belongs to the cycles.
  const absl::Duration bare_cpu = bare_meter.CpuUsed(idle) / cycles;
  const std::map<std::string, absl::Duration> before = MachineMeter::ByProcess();
  MachineMeter meter;
  for (int i = 0; i < cycles; ++i) {
    PADDOCK_RETURN_IF_ERROR(RunCycle(*bench.client, bench.environment_id).status());
  }
  absl::SleepFor(absl::Seconds(3));
  const absl::Duration cpu = meter.CpuUsed(idle) / cycles;
  bench.report.Section("CPU of a cycle (whole machine less the load generator and its idle rate)");
  bench.report.Figure("cpu", "idle rate", idle * 100, "% of one core");
  bench.report.Figure("cpu", "bare run + delete", absl::ToDoubleMilliseconds(bare_cpu), "ms");
  bench.report.Figure("cpu", "create, exec, delete", absl::ToDoubleMilliseconds(cpu), "ms");
  for (const auto& [name, total] : MachineMeter::ByProcess()) {
    const auto earlier = before.find(name);
    if (earlier == before.end()) continue;
    const absl::Duration used = (total - earlier->second) / cycles;
    bench.report.Figure("cpu", absl::StrCat("  of that ", name), absl::ToDoubleMilliseconds(used),
                        "ms");
  }
  bench.report.Goal("CPU of a cycle / bare run + delete", absl::FDivDuration(cpu, bare_cpu), 1.5,
                    "x");
  return absl::OkStatus();
}

void ReportCycles(Bench& bench, const std::string& section, const CycleSamples& samples) {
  bench.report.Steps(section, "create", samples.create);
  bench.report.Steps(section, "exec", samples.exec);
  bench.report.Steps(section, "create to first command", samples.create_to_first_command);
  bench.report.Steps(section, "delete", samples.remove);
  if (samples.failed > 0) absl::PrintF("  first failure: %s\n", samples.first_error);
}

void OpenLoopRate(Bench& bench) {
  const double rate = absl::GetFlag(FLAGS_rate);
  const int count = static_cast<int>(rate * absl::ToDoubleSeconds(absl::GetFlag(FLAGS_open_loop)));
  if (count == 0) return;
  const CycleSamples samples =
      RunOpenLoop(bench.endpoint, bench.environment_id, count, absl::Seconds(1) / rate);
  bench.report.Section(absl::StrCat("Open loop, ", rate, " cycles started per second"));
  ReportCycles(bench, "open loop", samples);
  bench.report.Goal("open loop failures", samples.failed, 0, "cycles");
}

absl::StatusOr<std::vector<std::string>> CreateAtOnce(Bench& bench, int count, Samples* samples,
                                                      int* failed) {
  absl::Mutex mutex;
  std::vector<std::string> ids;
  std::string error;
  const auto lanes = MakeLanes(bench.endpoint);
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) {
    threads.emplace_back([&, i] {
      const absl::Time start = absl::Now();
      const absl::StatusOr<v1::Session> session =
          lanes[i % lanes.size()]->CreateSession(bench.environment_id);
      const absl::Duration took = absl::Now() - start;
      absl::MutexLock lock(&mutex);
      if (session.ok()) ids.push_back(session->id());
      if (session.ok() && session->state() == v1::SESSION_STATE_RUNNING) {
        samples->Add(took);
        return;
      }
      if ((*failed)++ == 0) {
        error = session.ok() ? session->ShortDebugString() : session.status().ToString();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  if (!error.empty()) absl::PrintF("  first failure: %s\n", error);
  return ids;
}

absl::Status DeleteAll(Bench& bench, const std::vector<std::string>& ids) {
  for (const std::string& id : ids) PADDOCK_RETURN_IF_ERROR(bench.client->DeleteSession(id));
  return absl::OkStatus();
}

absl::Status Burst(Bench& bench) {
  const int count = absl::GetFlag(FLAGS_burst);
  if (count == 0) return absl::OkStatus();
  Samples samples;
  int failed = 0;
  PADDOCK_ASSIGN_OR_RETURN(std::vector<std::string> ids,
                           CreateAtOnce(bench, count, &samples, &failed));
  bench.report.Section(absl::StrCat(count, " creates at once"));
  bench.report.Steps("burst", "create", samples);
  bench.report.Goal("burst: not RUNNING", failed, 0, "sessions");
  bench.report.Goal("burst: create p99", samples.Percentile(99), 1000, "ms");
  return DeleteAll(bench, ids);
}

absl::Status IdleMemory(Bench& bench) {
  const int count = absl::GetFlag(FLAGS_idle);
  if (count == 0) return absl::OkStatus();
  absl::SleepFor(absl::Seconds(3));
  const int64_t before = MachineMeter::AvailableMemory();
  std::vector<std::string> ids;
  absl::Status status;
  for (int i = 0; i < count && status.ok(); ++i) {
    const absl::StatusOr<v1::Session> session = bench.client->CreateSession(bench.environment_id);
    status = session.status();
    if (session.ok()) ids.push_back(session->id());
  }
  absl::SleepFor(absl::Seconds(3));
  const double used = static_cast<double>(before - MachineMeter::AvailableMemory());
  PADDOCK_RETURN_IF_ERROR(DeleteAll(bench, ids));
  PADDOCK_RETURN_IF_ERROR(status);
  bench.report.Section("Memory");
  bench.report.Goal("memory per idle session (MemAvailable)", used / count / (1 << 20), 1.0, "MiB");
  return absl::OkStatus();
}

absl::Status Neighbour(Bench& bench) {
  const int count = absl::GetFlag(FLAGS_neighbour);
  if (count == 0) return absl::OkStatus();
  PADDOCK_ASSIGN_OR_RETURN(const NeighbourSamples samples,
                           MeasureNeighbour(*bench.client, bench.environment_id, count));
  bench.report.Section("Neighbour of a session that takes all it may");
  bench.report.Steps("neighbour", "exec alone", samples.alone);
  bench.report.Steps("neighbour", "exec beside it", samples.beside);
  return absl::OkStatus();
}

absl::Status RunAll(Bench& bench) {
  std::string rootfs = absl::GetFlag(FLAGS_rootfs);
  if (rootfs.empty()) {
    PADDOCK_ASSIGN_OR_RETURN(rootfs, FindRootfs(bench.endpoint.home));
  }
  PADDOCK_ASSIGN_OR_RETURN(BareRuntime bare,
                           BareRuntime::Create(absl::GetFlag(FLAGS_runtime), rootfs));
  for (int i = 0; i < 3; ++i) {  // Warm both sides.
    PADDOCK_RETURN_IF_ERROR(bare.RunToFirstOutput().status());
    PADDOCK_RETURN_IF_ERROR(RunCycle(*bench.client, bench.environment_id).status());
  }
  PADDOCK_RETURN_IF_ERROR(Sequential(bench, bare));
  PADDOCK_RETURN_IF_ERROR(CpuOfCycle(bench, bare));
  OpenLoopRate(bench);
  PADDOCK_RETURN_IF_ERROR(Burst(bench));
  PADDOCK_RETURN_IF_ERROR(IdleMemory(bench));
  return Neighbour(bench);
}

absl::Status Main() {
  Bench bench;
  PADDOCK_ASSIGN_OR_RETURN(bench.endpoint, Endpoint::FromHome(absl::GetFlag(FLAGS_home)));
  bench.client = std::make_unique<PaddockClient>(bench.endpoint);
  const std::string name = absl::StrCat("session-bench-", absl::ToUnixMicros(absl::Now()));
  PADDOCK_ASSIGN_OR_RETURN(v1::Environment environment, bench.client->CreateEnvironment(name));
  bench.environment_id = environment.id();
  absl::Status status = RunAll(bench);
  const absl::Status deleted = bench.client->DeleteEnvironment(bench.environment_id);
  if (status.ok()) status = deleted;
  return bench.report.Conclude(absl::GetFlag(FLAGS_json), status);
}

}  // namespace
}  // namespace paddock::bench

int main(int argc, char** argv) {
  return paddock::bench::BenchMain(argc, argv, "session_bench", &paddock::bench::Main);
}
