// How the control plane scales: hollow agents (the real protocol, containers pretended) against the
// real control plane and a PostgreSQL of its own, durable, all on this machine. For each size of
// the fleet: how fast it fills, what its heartbeats cost, and CreateSession at a steady rate.

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/open_files.h"
#include "common/status_macros.h"
#include "tests/bench/bench_main.h"
#include "tests/bench/fleet/create_load.h"
#include "tests/bench/fleet/database_meter.h"
#include "tests/bench/fleet/fleet_system.h"
#include "tests/bench/machine_meter.h"
#include "tests/bench/report.h"

ABSL_FLAG(std::vector<std::string>, nodes, std::vector<std::string>({"1000", "300", "100"}),
          "sizes of the fleet, one system for each");
ABSL_FLAG(int, sessions_per_node, 50, "sessions that run before anything is measured");
ABSL_FLAG(double, rate, 500, "steady rate: creates begun per second");
ABSL_FLAG(absl::Duration, steady, absl::Seconds(30), "steady rate: for how long");
ABSL_FLAG(double, churn_rate, 150, "creates per second, each deleted when it runs; 0: left out");
ABSL_FLAG(absl::Duration, churn, absl::Seconds(15), "for how long");
ABSL_FLAG(absl::Duration, quiet, absl::Seconds(10), "heartbeats alone: for how long");
ABSL_FLAG(int, fill_at_once, 24, "creates at once while the fleet is filled");
ABSL_FLAG(bool, statements, false,
          "print the statements that cost most, by pg_stat_statements (which costs, too)");
ABSL_FLAG(std::string, directory, "/var/tmp", "where the database and logs go; on a real disk");
ABSL_FLAG(std::string, controlplane, "", "the control plane's program; default: this build's");
ABSL_FLAG(std::string, json, "", "file for the results as JSON");

namespace paddock::bench {
namespace {

// PostgreSQL's statistics are up to ten seconds late.
constexpr absl::Duration kSettle = absl::Seconds(11);
constexpr int kStatements = 25;

// CPU time so far, by process.
struct Cpu {
  absl::Duration control_plane, postgres, nodes, load;

  Cpu operator-(const Cpu& other) const {
    return {control_plane - other.control_plane, postgres - other.postgres, nodes - other.nodes,
            load - other.load};
  }
  absl::Duration server() const { return control_plane + postgres; }
};

// What a phase cost.
struct Cost {
  Cpu cpu;
  DatabaseCounts database;
  absl::Duration took;
};

class Phase {
 public:
  Phase(const FleetSystem& system, const DatabaseMeter& database)
      : system_(system), database_(database), start_(absl::Now()), cpu_(Read()) {
    if (auto counts = database.Read(); counts.ok()) counts_ = *counts;
  }

  absl::StatusOr<Cost> End() const {
    Cost cost;
    cost.cpu = Read() - cpu_;
    cost.took = absl::Now() - start_;
    PADDOCK_ASSIGN_OR_RETURN(const DatabaseCounts counts, database_.Read());
    cost.database = {counts.commits - counts_.commits, counts.wal_bytes - counts_.wal_bytes,
                     counts.wal_syncs - counts_.wal_syncs};
    return cost;
  }

 private:
  Cpu Read() const {
    return {MachineMeter::OfTree(system_.control_plane()), MachineMeter::OfTree(system_.postgres()),
            MachineMeter::OfTree(system_.nodes()), MachineMeter::OfProcess(getpid())};
  }

  const FleetSystem& system_;
  const DatabaseMeter& database_;
  const absl::Time start_;
  const Cpu cpu_;
  DatabaseCounts counts_;
};

// One size of the fleet, measured.
struct ScaleResult {
  int nodes = 0;
  double create_p50 = 0;
  double create_cpu_ms = 0;  // Beyond what the heartbeats cost, which go on meanwhile.
};

class Scale {
 public:
  Scale(int nodes, Report* report)
      : nodes_(nodes), name_(absl::StrCat(nodes, " nodes")), report_(report) {}

  absl::StatusOr<ScaleResult> Measure();

 private:
  absl::Status Fill();
  absl::Status Heartbeats();
  absl::Status Steady();
  absl::Status Churn();
  void Memory();
  void Figure(const std::string& name, double value, const std::string& unit) {
    report_->Figure(name_, name, value, unit);
  }
  void Rates(const std::string& what, const Cost& cost);
  absl::Status PrintStatements();
  int sessions() const { return nodes_ * absl::GetFlag(FLAGS_sessions_per_node); }
  // A goal is the for the largest fleet; others show how the cost grows.
  bool is_largest() const { return nodes_ >= 1000; }

  const int nodes_;
  const std::string name_;
  Report* const report_;
  std::unique_ptr<FleetSystem> system_;
  std::unique_ptr<DatabaseMeter> database_;
  std::unique_ptr<CreateLoad> load_;
  double server_cores_idle_ = 0;  // Of control plane and database, for heartbeats alone.
  ScaleResult result_;
};

double Cores(absl::Duration cpu, absl::Duration took) { return absl::FDivDuration(cpu, took); }

absl::StatusOr<ScaleResult> Scale::Measure() {
  const absl::Time begin = absl::Now();
  const std::filesystem::path here = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  FleetSystem::Options options;
  options.nodes = nodes_;
  options.control_plane = absl::GetFlag(FLAGS_controlplane);
  if (options.control_plane.empty()) {
    options.control_plane = here.parent_path().parent_path() / "controlplane/controlplane";
  }
  options.hollow_fleet = here / "hollow_fleet";
  options.directory = absl::GetFlag(FLAGS_directory);
  options.statements = absl::GetFlag(FLAGS_statements);
  PADDOCK_ASSIGN_OR_RETURN(system_, FleetSystem::Start(options));
  database_ = std::make_unique<DatabaseMeter>(system_->database_url());
  testing::PaddockClient client(system_->endpoint());
  PADDOCK_ASSIGN_OR_RETURN(const v1::Environment environment, client.CreateEnvironment("bench"));
  load_ = std::make_unique<CreateLoad>(system_->endpoint(), environment.id());
  PADDOCK_ASSIGN_OR_RETURN(const std::string synchronous, database_->Setting("synchronous_commit"));
  PADDOCK_ASSIGN_OR_RETURN(const std::string fsync, database_->Setting("fsync"));
  report_->Title(absl::StrCat(name_, ", ", sessions(), " sessions (PostgreSQL: fsync ", fsync,
                              ", synchronous_commit ", synchronous, ")"));
  Figure("until every node had registered", absl::ToDoubleSeconds(absl::Now() - begin), "s");
  result_.nodes = nodes_;
  PADDOCK_RETURN_IF_ERROR(Fill());
  PADDOCK_RETURN_IF_ERROR(Heartbeats());
  PADDOCK_RETURN_IF_ERROR(Steady());
  PADDOCK_RETURN_IF_ERROR(Churn());
  Memory();
  return result_;
}

absl::Status Scale::Fill() {
  const Phase phase(*system_, *database_);
  const LoadResult filled = load_->ClosedLoop(sessions(), absl::GetFlag(FLAGS_fill_at_once));
  PADDOCK_ASSIGN_OR_RETURN(const Cost cost, phase.End());
  if (filled.failed > 0) return absl::InternalError(filled.first_error);
  Figure("filling: placements", filled.per_second(), "/s");
  Figure("filling: control plane and database",
         absl::ToDoubleMilliseconds(cost.cpu.server()) / sessions(), "ms CPU per placement");
  return absl::OkStatus();
}

absl::Status Scale::Heartbeats() {
  absl::SleepFor(kSettle);
  const Phase phase(*system_, *database_);
  absl::SleepFor(absl::GetFlag(FLAGS_quiet));
  PADDOCK_ASSIGN_OR_RETURN(const Cost cost, phase.End());
  server_cores_idle_ = Cores(cost.cpu.server(), cost.took);
  Rates("heartbeats alone", cost);
  if (is_largest()) {
    report_->Goal(absl::StrCat("heartbeats of ", nodes_, " nodes: control plane, database"),
                  server_cores_idle_ * 100, 20, "% of one core");
  }
  return absl::OkStatus();
}

void Scale::Rates(const std::string& what, const Cost& cost) {
  const auto percent = [&](absl::Duration cpu) { return Cores(cpu, cost.took) * 100; };
  const double seconds = absl::ToDoubleSeconds(cost.took);
  Figure(what + ": control plane", percent(cost.cpu.control_plane), "% of one core");
  Figure(what + ": PostgreSQL", percent(cost.cpu.postgres), "% of one core");
  Figure(what + ": hollow agents", percent(cost.cpu.nodes), "% of one core");
  Figure(what + ": load generator", percent(cost.cpu.load), "% of one core");
  Figure(what + ": commits", static_cast<double>(cost.database.commits) / seconds, "/s");
  Figure(what + ": WAL", static_cast<double>(cost.database.wal_bytes) / seconds / 1024, "KiB/s");
  Figure(what + ": WAL syncs", static_cast<double>(cost.database.wal_syncs) / seconds, "/s");
}

absl::Status Scale::Steady() {
  const double rate = absl::GetFlag(FLAGS_rate);
  if (absl::GetFlag(FLAGS_statements)) PADDOCK_RETURN_IF_ERROR(database_->ResetStatements());
  const Phase phase(*system_, *database_);
  const LoadResult load = load_->OpenLoop(rate, absl::GetFlag(FLAGS_steady));
  PADDOCK_ASSIGN_OR_RETURN(const Cost cost, phase.End());
  const std::string title = absl::StrCat(name_, ": open loop, ", rate, " creates begun per second");
  report_->Section(title);
  report_->Steps(title, "CreateSession", load.latency);
  if (load.failed > 0) absl::PrintF("  first failure: %s\n", load.first_error);
  Figure("steady: placements", load.per_second(), "/s");
  Figure("steady: latest start of a call", absl::ToDoubleMilliseconds(load.latest_start), "ms");
  Rates("steady", cost);
  const double count = std::max<double>(1, static_cast<double>(load.latency.size()));
  const double control_plane = absl::ToDoubleMilliseconds(cost.cpu.control_plane) / count;
  const double postgres = absl::ToDoubleMilliseconds(cost.cpu.postgres) / count;
  Figure("a placement: control plane", control_plane, "ms CPU");
  Figure("a placement: PostgreSQL", postgres, "ms CPU");
  Figure("a placement: hollow agents", absl::ToDoubleMilliseconds(cost.cpu.nodes) / count,
         "ms CPU");
  Figure("a placement: load generator", absl::ToDoubleMilliseconds(cost.cpu.load) / count,
         "ms CPU");
  const double heartbeats = server_cores_idle_ * absl::ToDoubleMilliseconds(cost.took) / count;
  Figure("a placement: of that heartbeats as alone", heartbeats, "ms CPU");
  result_.create_p50 = load.latency.Percentile(50);
  result_.create_cpu_ms = control_plane + postgres - heartbeats;
  const std::string at = absl::StrCat(" (", nodes_, " nodes)");
  report_->Goal("steady: failed creates" + at, static_cast<double>(load.failed), 0, "calls");
  if (is_largest()) {
    report_->GoalAtLeast("placements sustained" + at, load.per_second(), 0.98 * rate, "/s");
    report_->Goal("CreateSession p99" + at, load.latency.Percentile(99), 50, "ms");
    report_->Goal("control plane, database: CPU per placement" + at, control_plane + postgres, 1.6,
                  "ms");
  }
  return absl::GetFlag(FLAGS_statements) ? PrintStatements() : absl::OkStatus();
}

absl::Status Scale::PrintStatements() {
  PADDOCK_ASSIGN_OR_RETURN(const std::vector<StatementCost> costs,
                           database_->Statements(kStatements));
  for (const StatementCost& cost : costs) {
    absl::PrintF("  %9.1f ms %8d calls %8.3f ms  %.110s\n", cost.total_ms, cost.calls,
                 cost.total_ms / static_cast<double>(cost.calls), cost.text);
  }
  return absl::OkStatus();
}

absl::Status Scale::Churn() {
  const double rate = absl::GetFlag(FLAGS_churn_rate);
  if (rate <= 0) return absl::OkStatus();
  const Phase phase(*system_, *database_);
  const LoadResult load = load_->Churn(rate, absl::GetFlag(FLAGS_churn));
  PADDOCK_ASSIGN_OR_RETURN(const Cost cost, phase.End());
  const std::string title = absl::StrCat(name_, ": ", rate, " created and deleted per second");
  report_->Section(title);
  report_->Steps(title, "CreateSession", load.latency);
  if (load.failed > 0) absl::PrintF("  first failure: %s\n", load.first_error);
  const double count = std::max<double>(1, static_cast<double>(load.latency.size()));
  Figure("created and deleted: control plane and database",
         (absl::ToDoubleMilliseconds(cost.cpu.server()) -
          server_cores_idle_ * absl::ToDoubleMilliseconds(cost.took)) /
             count,
         "ms CPU each, without heartbeats");
  report_->Goal(absl::StrCat("created and deleted: failed (", nodes_, " nodes)"),
                static_cast<double>(load.failed), 0, "calls");
  return absl::OkStatus();
}

void Scale::Memory() {
  constexpr double kMiB = 1 << 20;
  Figure("memory: control plane", MachineMeter::MemoryOfTree(system_->control_plane()) / kMiB,
         "MiB");
  Figure("memory: PostgreSQL", MachineMeter::MemoryOfTree(system_->postgres()) / kMiB, "MiB");
  Figure("memory: hollow agents", MachineMeter::MemoryOfTree(system_->nodes()) / kMiB, "MiB");
}

// How the cost of a create grows from the smallest fleet to the largest.
void Compare(const std::vector<ScaleResult>& results, Report* report) {
  if (results.size() < 2) return;
  const auto [smallest, largest] = std::minmax_element(
      results.begin(), results.end(),
      [](const ScaleResult& a, const ScaleResult& b) { return a.nodes < b.nodes; });
  report->Title("How the cost of a create grows");
  for (const ScaleResult& result : results) {
    report->Figure("growth", absl::StrCat(result.nodes, " nodes: CreateSession p50"),
                   result.create_p50, "ms");
    report->Figure("growth", absl::StrCat(result.nodes, " nodes: a create"), result.create_cpu_ms,
                   "ms CPU of control plane and database, without heartbeats");
  }
  const std::string from_to = absl::StrCat(largest->nodes, " / ", smallest->nodes, " nodes");
  report->Goal("CPU of a create, " + from_to, largest->create_cpu_ms / smallest->create_cpu_ms, 1.5,
               "x");
  report->Figure("growth", "CreateSession p50, " + from_to,
                 largest->create_p50 / smallest->create_p50, "x");
}

absl::Status Main() {
  RaiseOpenFilesLimit();
  Report report;
  std::vector<ScaleResult> results;
  for (const std::string& text : absl::GetFlag(FLAGS_nodes)) {
    int nodes = 0;
    if (!absl::SimpleAtoi(text, &nodes) || nodes <= 0) {
      return absl::InvalidArgumentError(absl::StrCat("--nodes: '", text, "' is no number"));
    }
    PADDOCK_ASSIGN_OR_RETURN(const ScaleResult result, Scale(nodes, &report).Measure());
    results.push_back(result);
  }
  Compare(results, &report);
  return report.Conclude(absl::GetFlag(FLAGS_json), absl::OkStatus());
}

}  // namespace
}  // namespace paddock::bench

int main(int argc, char** argv) {
  return paddock::bench::BenchMain(argc, argv, "fleet_bench", &paddock::bench::Main);
}
