// Measures the gateway of limited sessions beside a direct path through the same veth and beside
// HAProxy as a TCP proxy, in the same run and alternating: throughput, connections per second,
// latency, memory of open connections, and what a policy costs a session's start. Everything lies
// in namespaces of its own; nothing leaves the machine.

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <map>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "common/status_macros.h"
#include "tests/bench/bench_main.h"
#include "tests/bench/egress/bench_network.h"
#include "tests/bench/report.h"

ABSL_FLAG(int, rounds, 5, "rounds of each measurement; the median counts");
ABSL_FLAG(absl::Duration, duration, absl::Seconds(1), "of one round of throughput or connections");
ABSL_FLAG(int, clients, 4, "threads that make connections");
ABSL_FLAG(int, round_trips, 2000, "echoes of one round");
ABSL_FLAG(int, open, 10'000,
          "connections that are open at once, as far as RLIMIT_NOFILE allows; 0 leaves it out");
ABSL_FLAG(int, starts, 200, "sessions put with and without a policy; 0 leaves it out");
ABSL_FLAG(std::string, json, "", "file for the results as JSON");

namespace paddock::bench {
namespace {

using Path = BenchNetwork::Path;
using nodeagent::NetworkPolicy;

constexpr Path kPaths[] = {Path::kDirect, Path::kHaproxy, Path::kGateway};
constexpr double kMegabyte = 1e6;
constexpr rlim_t kDescriptors = 1 << 20;

const char* NameOf(Path path) {
  switch (path) {
    case Path::kDirect:
      return "direct";
    case Path::kHaproxy:
      return "HAProxy";
    case Path::kGateway:
      return "gateway";
  }
  return "";
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

// Runs `measure` inside for every path in turn, `rounds` times.
absl::StatusOr<std::map<Path, double>> Alternate(
    BenchNetwork& network, int port,
    const std::function<absl::StatusOr<double>(const Target&)>& measure) {
  std::map<Path, std::vector<double>> values;
  for (int round = 0; round < absl::GetFlag(FLAGS_rounds); ++round) {
    for (const Path path : kPaths) {
      PADDOCK_ASSIGN_OR_RETURN(Target target, network.Use(path, port));
      absl::StatusOr<double> value = absl::UnknownError("");
      network.Inside([&] { value = measure(target); });
      if (!value.ok()) {
        return absl::Status(value.status().code(),
                            absl::StrCat(NameOf(path), ": ", value.status().message()));
      }
      values[path].push_back(*value);
    }
  }
  std::map<Path, double> medians;
  for (const auto& [path, of_path] : values) medians[path] = Median(of_path);
  return medians;
}

absl::Status MeasureThroughput(BenchNetwork& network, Report& report) {
  PADDOCK_ASSIGN_OR_RETURN(auto medians,
                           Alternate(network, StreamServer::kSourcePort, [](const Target& target) {
                             return Throughput(target, absl::GetFlag(FLAGS_duration));
                           }));
  report.Title("Throughput of one download");
  for (const auto& [path, value] : medians) {
    report.Figure("throughput", NameOf(path), value / kMegabyte, "MB/s");
  }
  report.GoalAtLeast("throughput, gateway / HAProxy",
                     medians[Path::kGateway] / medians[Path::kHaproxy], 0.9, "x");
  return absl::OkStatus();
}

absl::Status MeasureConnections(BenchNetwork& network, Report& report) {
  const int clients = absl::GetFlag(FLAGS_clients);
  PADDOCK_ASSIGN_OR_RETURN(auto medians,
                           Alternate(network, StreamServer::kEchoPort, [&](const Target& target) {
                             return ConnectionRate(target, clients, absl::GetFlag(FLAGS_duration));
                           }));
  report.Title(absl::StrCat("Connections with one echo each, ", clients, " clients"));
  for (const auto& [path, value] : medians) {
    report.Figure("connections", NameOf(path), value, "/s");
  }
  report.GoalAtLeast("connections, gateway / HAProxy",
                     medians[Path::kGateway] / medians[Path::kHaproxy], 0.9, "x");
  return absl::OkStatus();
}

absl::Status MeasureLatency(BenchNetwork& network, Report& report) {
  std::map<Path, Samples> open, first;
  const int count = absl::GetFlag(FLAGS_round_trips);
  for (int round = 0; round < absl::GetFlag(FLAGS_rounds); ++round) {
    for (const Path path : kPaths) {
      PADDOCK_ASSIGN_OR_RETURN(Target target, network.Use(path, StreamServer::kEchoPort));
      absl::StatusOr<Samples> trips = absl::UnknownError(""), firsts = absl::UnknownError("");
      network.Inside([&] {
        trips = RoundTrips(target, count);
        firsts = FirstBytes(target, count / 10);
      });
      PADDOCK_RETURN_IF_ERROR(trips.status());
      PADDOCK_RETURN_IF_ERROR(firsts.status());
      open[path].Merge(*trips);
      first[path].Merge(*firsts);
    }
  }
  report.Section("Latency");
  for (const Path path : kPaths) {
    report.Steps("latency", absl::StrCat("echo, ", NameOf(path)), open[path]);
    report.Steps("latency", absl::StrCat("connect and echo, ", NameOf(path)), first[path]);
  }
  report.Goal("added latency of an echo, p50",
              open[Path::kGateway].Percentile(50) - open[Path::kDirect].Percentile(50), 0.3, "ms");
  return absl::OkStatus();
}

// How many connections this process and the gateway can hold: two descriptors each, both here.
int MostConnections() {
  constexpr int kOthers = 300;
  rlimit files = {};
  getrlimit(RLIMIT_NOFILE, &files);
  const int possible = static_cast<int>(std::min(files.rlim_cur, kDescriptors)) - kOthers;
  return std::min(absl::GetFlag(FLAGS_open), possible / 2);
}

absl::Status MeasureMemory(BenchNetwork& network, Report& report) {
  const int count = MostConnections();
  if (count <= 0) return absl::OkStatus();
  PADDOCK_ASSIGN_OR_RETURN(Target target, network.Use(Path::kGateway, StreamServer::kEchoPort));
  const auto before = static_cast<double>(network.GatewayMemory());
  absl::StatusOr<std::vector<nodeagent::UniqueFd>> held = absl::UnknownError("");
  network.Inside([&] { held = Hold(target, count); });
  PADDOCK_RETURN_IF_ERROR(held.status());
  const auto opened = static_cast<double>(held->size());
  const double each = (static_cast<double>(network.GatewayMemory()) - before) / opened;
  report.Title("Open connections");
  report.Figure("memory", "connections open at once", opened, "");
  if (held->size() < static_cast<size_t>(absl::GetFlag(FLAGS_open))) {
    rlimit files = {};
    getrlimit(RLIMIT_NOFILE, &files);
    absl::PrintF(
        "  (no more: RLIMIT_NOFILE is %d here and can't be raised; a connection takes two "
        "descriptors, "
        "and the gateway keeps half for look-ups and requests; the figure below is scaled)\n",
        static_cast<int>(files.rlim_cur));
  }
  report.Figure("memory", "gateway before", before / kMegabyte, "MB");
  report.Figure("memory", "each", each / 1024, "KiB");
  report.Goal("resident memory of the gateway for 10,000", (before + each * 10'000) / kMegabyte,
              200, "MB");
  return absl::OkStatus();
}

absl::Status MeasureStarts(BenchNetwork& network, Report& report) {
  const int count = absl::GetFlag(FLAGS_starts);
  if (count == 0) return absl::OkStatus();
  NetworkPolicy none, hundred;
  none.kind = NetworkPolicy::Kind::kUnrestricted;
  hundred.kind = NetworkPolicy::Kind::kLimited;
  for (int i = 0; i < 100; ++i) hundred.hosts.push_back(absl::StrCat("host", i, ".allowed.test"));
  std::map<bool, Samples> samples;
  for (int i = 0; i < count; ++i) {
    for (const bool limited : {false, true}) {
      const nodeagent::GatewaySession session = network.SessionWith(limited ? hundred : none);
      PADDOCK_RETURN_IF_ERROR(network.client().RemoveSession(session.session_id));
      const absl::Time start = absl::Now();
      PADDOCK_RETURN_IF_ERROR(network.client().PutSession(session));
      samples[limited].Add(absl::Now() - start);
    }
  }
  report.Section("The network's step of a session's start");
  report.Steps("start", "unrestricted", samples[false]);
  report.Steps("start", "limited, 100 hosts", samples[true]);
  report.Goal("added by a policy of 100 hosts, p50",
              samples[true].Percentile(50) - samples[false].Percentile(50), 1, "ms");
  return absl::OkStatus();
}

absl::Status Measure(Report& report) {
  PADDOCK_ASSIGN_OR_RETURN(std::unique_ptr<BenchNetwork> network, BenchNetwork::Create());
  PADDOCK_RETURN_IF_ERROR(MeasureThroughput(*network, report));
  PADDOCK_RETURN_IF_ERROR(MeasureConnections(*network, report));
  PADDOCK_RETURN_IF_ERROR(MeasureLatency(*network, report));
  PADDOCK_RETURN_IF_ERROR(MeasureStarts(*network, report));
  return MeasureMemory(*network, report);
}

// As the gateway does: the hard limit, too, where that may be raised.
void RaiseDescriptorLimit() {
  rlimit files = {};
  getrlimit(RLIMIT_NOFILE, &files);
  const rlimit most = {kDescriptors, std::max(files.rlim_max, kDescriptors)};
  if (setrlimit(RLIMIT_NOFILE, &most) == 0) return;
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
}

absl::Status Main() {
  if (geteuid() != 0) return absl::FailedPreconditionError("needs root");
  RaiseDescriptorLimit();
  Report report;
  const absl::Status status = Measure(report);
  return report.Conclude(absl::GetFlag(FLAGS_json), status);
}

}  // namespace
}  // namespace paddock::bench

int main(int argc, char** argv) {
  return paddock::bench::BenchMain(argc, argv, "egress_bench", &paddock::bench::Main);
}
