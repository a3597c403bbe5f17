// Session starts in a cluster beside those of a plain machine's system, in the same run, one after
// the other in turn. tests/kubernetes/run with the part `bench` starts both and calls it.

#include <array>
#include <memory>
#include <string>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/status_macros.h"
#include "tests/bench/bench_main.h"
#include "tests/bench/report.h"
#include "tests/bench/session_cycle.h"

ABSL_FLAG(std::string, plain, "", "PADDOCK_HOME of the system on the plain machine");
ABSL_FLAG(std::string, cluster, "", "directory with the paddock.env of the one in the cluster");
ABSL_FLAG(int, cycles, 300, "sessions on each side");
ABSL_FLAG(std::string, json, "", "file for the results as JSON");

namespace paddock::bench {
namespace {

constexpr int kWarmUp = 10;

struct Side {
  std::string name;
  std::unique_ptr<testing::PaddockClient> client;
  std::string environment_id;
  CycleSamples samples;
};

absl::Status Open(const std::string& home, Side& side) {
  PADDOCK_ASSIGN_OR_RETURN(const testing::Endpoint endpoint, testing::Endpoint::FromHome(home));
  side.client = std::make_unique<testing::PaddockClient>(endpoint);
  PADDOCK_ASSIGN_OR_RETURN(const v1::Environment environment,
                           side.client->CreateEnvironment(
                               absl::StrCat("kubernetes-bench-", absl::ToUnixMicros(absl::Now()))));
  side.environment_id = environment.id();
  return absl::OkStatus();
}

absl::Status Measure(std::array<Side, 2>& sides) {
  for (int i = 0; i < kWarmUp; ++i) {
    for (Side& side : sides) {
      PADDOCK_RETURN_IF_ERROR(RunCycle(*side.client, side.environment_id).status());
    }
  }
  // Who is first alternates, too: what a cycle leaves to the kernel is done beside the next one.
  for (int i = 0; i < absl::GetFlag(FLAGS_cycles); ++i) {
    for (int turn = 0; turn < 2; ++turn) {
      Side& side = sides[(i + turn) % 2];
      side.samples.Add(RunCycle(*side.client, side.environment_id));
    }
  }
  for (const Side& side : sides) {
    if (side.samples.failed > 0) {
      return absl::InternalError(absl::StrCat(side.name, ": ", side.samples.first_error));
    }
  }
  return absl::OkStatus();
}

void Print(const std::array<Side, 2>& sides, Report& report) {
  report.Section("Sessions in a cluster and on a plain machine, in turn");
  for (const Side& side : sides) {
    report.Steps("sessions", absl::StrCat(side.name, ": create"), side.samples.create);
    report.Steps("sessions", absl::StrCat(side.name, ": to first command"),
                 side.samples.create_to_first_command);
    report.Steps("sessions", absl::StrCat(side.name, ": delete"), side.samples.remove);
  }
  const CycleSamples& plain = sides[0].samples;
  const CycleSamples& cluster = sides[1].samples;
  for (int percent : {50, 90, 99}) {
    const double ratio = cluster.create.Percentile(percent) / plain.create.Percentile(percent);
    const std::string name = absl::StrCat("create, cluster / plain, p", percent);
    if (percent == 99) {
      report.Figure("ratio", name, ratio, "x");
    } else {
      report.Goal(name, ratio, 1.2, "x");
    }
  }
  report.Goal(
      "create to first command, cluster / plain, p50",
      cluster.create_to_first_command.Percentile(50) / plain.create_to_first_command.Percentile(50),
      1.2, "x");
}

absl::Status Main() {
  std::array<Side, 2> sides;
  sides[0].name = "plain";
  sides[1].name = "cluster";
  PADDOCK_RETURN_IF_ERROR(Open(absl::GetFlag(FLAGS_plain), sides[0]));
  PADDOCK_RETURN_IF_ERROR(Open(absl::GetFlag(FLAGS_cluster), sides[1]));
  Report report;
  absl::Status status = Measure(sides);
  if (status.ok()) Print(sides, report);
  for (Side& side : sides) status.Update(side.client->DeleteEnvironment(side.environment_id));
  return report.Conclude(absl::GetFlag(FLAGS_json), status);
}

}  // namespace
}  // namespace paddock::bench

int main(int argc, char** argv) {
  return paddock::bench::BenchMain(argc, argv, "kubernetes_bench", &paddock::bench::Main);
}
