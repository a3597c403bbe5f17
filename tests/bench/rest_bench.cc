// The same CreateEnvironment and GetEnvironment over REST and over gRPC, in one run against a
// running system: latency of sequential calls, and requests per second of the control plane's CPU.

#include <atomic>
#include <fstream>
#include <memory>
#include <thread>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/status_macros.h"
#include "nlohmann/json.hpp"
#include "tests/bench/bench_main.h"
#include "tests/bench/machine_meter.h"
#include "tests/bench/report.h"
#include "tests/support/https_client.h"
#include "tests/support/paddock_client.h"

ABSL_FLAG(std::string, home, "", "PADDOCK_HOME of the running system; default: the variable");
ABSL_FLAG(int, calls, 1000, "sequential calls of each kind");
ABSL_FLAG(int, connections, 8, "connections of the throughput part, a thread each");
ABSL_FLAG(int, rounds, 4, "throughput: alternating rounds of each kind");
ABSL_FLAG(absl::Duration, round, absl::Seconds(1), "throughput: length of a round");
ABSL_FLAG(std::string, json, "", "file for the results as JSON");

namespace paddock::bench {
namespace {

using testing::Endpoint;
using testing::MakeChannel;
using testing::PaddockClient;

enum class Method { kCreate, kGet };

absl::string_view NameOf(Method method) {
  return method == Method::kCreate ? "CreateEnvironment" : "GetEnvironment";
}

// One connection over which both calls can be made.
class Lane {
 public:
  virtual ~Lane() = default;
  // The id of the new environment.
  virtual absl::StatusOr<std::string> Create(const std::string& name) = 0;
  virtual absl::Status Get(const std::string& id) = 0;
};

class RestLane : public Lane {
 public:
  RestLane(const Endpoint& endpoint, int port)
      : client_(port, endpoint.ca_file),
        headers_({absl::StrCat("authorization: Bearer ", endpoint.api_key),
                  "anthropic-beta: managed-agents-2026-04-01", "anthropic-version: 2026-10-21",
                  "content-type: application/json"}) {}

  bool connected() const { return client_.connected(); }

  absl::StatusOr<std::string> Create(const std::string& name) override {
    return Id(
        client_.Ask("POST", "/v1/environments", headers_, nlohmann::json{{"name", name}}.dump()));
  }
  absl::Status Get(const std::string& id) override {
    PADDOCK_ASSIGN_OR_RETURN(
        const std::string found,
        Id(client_.Ask("GET", absl::StrCat("/v1/environments/", id), headers_)));
    return found == id ? absl::OkStatus() : absl::InternalError("wrong answer");
  }

 private:
  static absl::StatusOr<std::string> Id(const testing::HttpsAnswer& answer) {
    const nlohmann::json json = nlohmann::json::parse(answer.body, nullptr, false);
    if (answer.status != 200 || !json.is_object()) {
      return absl::UnknownError(absl::StrCat(answer.status, " ", answer.body));
    }
    return json.value("id", "");
  }

  testing::HttpsClient client_;
  const std::vector<std::string> headers_;
};

class GrpcLane : public Lane {
 public:
  GrpcLane(const Endpoint& endpoint, int number)
      : client_(endpoint, MakeChannel(endpoint, number)) {
    client_.channel()->WaitForConnected(absl::ToChronoTime(absl::Now() + absl::Seconds(10)));
  }

  absl::StatusOr<std::string> Create(const std::string& name) override {
    PADDOCK_ASSIGN_OR_RETURN(const v1::Environment made, client_.CreateEnvironment(name));
    return made.id();
  }
  absl::Status Get(const std::string& id) override {
    v1::GetEnvironmentRequest request;
    request.set_environment_id(id);
    v1::Environment found;
    PADDOCK_RETURN_IF_ERROR(testing::FromGrpc(
        client_.environments().GetEnvironment(client_.Context().get(), request, &found)));
    return found.id() == id ? absl::OkStatus() : absl::InternalError("wrong answer");
  }

 private:
  PaddockClient client_;
};

using Lanes = std::vector<std::unique_ptr<Lane>>;

// What the parts of the benchmark share.
struct Bench {
  Endpoint endpoint;
  int server_pid = 0;
  std::string environment_id;  // The one that is read.
  absl::Mutex mutex;
  std::vector<std::string> made ABSL_GUARDED_BY(mutex);
  std::atomic<int> next{0};
  Lanes rest, grpc;
  Report report;
};

absl::Status CallOnce(Bench& bench, Lane& lane, Method method) {
  if (method == Method::kGet) return lane.Get(bench.environment_id);
  PADDOCK_ASSIGN_OR_RETURN(
      std::string id,
      lane.Create(absl::StrCat("rest-bench-", bench.server_pid, "-",
                               absl::ToUnixMicros(absl::Now()), "-", bench.next++)));
  absl::MutexLock lock(&bench.mutex);
  bench.made.push_back(std::move(id));
  return absl::OkStatus();
}

absl::StatusOr<absl::Duration> Timed(Bench& bench, Lane& lane, Method method) {
  const absl::Time start = absl::Now();
  PADDOCK_RETURN_IF_ERROR(CallOnce(bench, lane, method));
  return absl::Now() - start;
}

// Alternates the two, so that a noisy moment of the machine hits both.
absl::Status Latency(Bench& bench, Method method) {
  Samples rest, grpc;
  for (int i = 0; i < absl::GetFlag(FLAGS_calls); ++i) {
    PADDOCK_ASSIGN_OR_RETURN(const absl::Duration by_rest, Timed(bench, *bench.rest[0], method));
    PADDOCK_ASSIGN_OR_RETURN(const absl::Duration by_grpc, Timed(bench, *bench.grpc[0], method));
    rest.Add(by_rest);
    grpc.Add(by_grpc);
  }
  bench.report.Section(absl::StrCat(NameOf(method), ", one call after the other"));
  bench.report.Steps(NameOf(method), "REST", rest);
  bench.report.Steps(NameOf(method), "gRPC", grpc);
  bench.report.Goal(absl::StrCat(NameOf(method), ": REST above gRPC, p50"),
                    rest.Percentile(50) - grpc.Percentile(50), 1.0, "ms");
  return absl::OkStatus();
}

// Requests and what they took, of several rounds.
struct Load {
  int64_t calls = 0;
  absl::Duration elapsed;
  absl::Duration server_cpu;

  double PerSecond() const { return calls / absl::ToDoubleSeconds(elapsed); }
  double PerCpuSecond() const { return calls / absl::ToDoubleSeconds(server_cpu); }
};

// Every lane calls again as soon as it is answered, for one round.
absl::Status Round(Bench& bench, const Lanes& lanes, Method method, Load* load) {
  std::atomic<int64_t> calls{0};
  absl::Status status;
  const absl::Duration cpu = MachineMeter::OfProcess(bench.server_pid);
  const absl::Time start = absl::Now();
  const absl::Time end = start + absl::GetFlag(FLAGS_round);
  std::vector<std::thread> threads;
  for (const std::unique_ptr<Lane>& lane : lanes) {
    threads.emplace_back([&, lane = lane.get()] {
      while (absl::Now() < end) {
        const absl::Status called = CallOnce(bench, *lane, method);
        if (!called.ok()) {
          absl::MutexLock lock(&bench.mutex);
          status.Update(called);
          return;
        }
        ++calls;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  load->elapsed += absl::Now() - start;
  load->server_cpu += MachineMeter::OfProcess(bench.server_pid) - cpu;
  load->calls += calls;
  return status;
}

absl::Status Throughput(Bench& bench, Method method) {
  Load rest, grpc;
  for (int i = 0; i < absl::GetFlag(FLAGS_rounds); ++i) {
    PADDOCK_RETURN_IF_ERROR(Round(bench, bench.rest, method, &rest));
    PADDOCK_RETURN_IF_ERROR(Round(bench, bench.grpc, method, &grpc));
  }
  const std::string name(NameOf(method));
  bench.report.Title(absl::StrCat(name, ", ", bench.rest.size(), " connections"));
  bench.report.Figure(name, "REST", rest.PerSecond(), "requests/s");
  bench.report.Figure(name, "gRPC", grpc.PerSecond(), "requests/s");
  bench.report.Figure(name, "REST per core", rest.PerCpuSecond(), "requests/s of server CPU");
  bench.report.Figure(name, "gRPC per core", grpc.PerCpuSecond(), "requests/s of server CPU");
  bench.report.GoalAtLeast(absl::StrCat(name, ": REST / gRPC per core"),
                           rest.PerCpuSecond() / grpc.PerCpuSecond(), 0.7, "x");
  return absl::OkStatus();
}

absl::Status RunAll(Bench& bench) {
  const std::string& url = bench.endpoint.http_url;
  int port = 0;
  if (!absl::SimpleAtoi(url.substr(url.rfind(':') + 1), &port)) {
    return absl::InvalidArgumentError(absl::StrCat("PADDOCK_HTTP_URL is '", url, "'"));
  }
  for (int i = 0; i < absl::GetFlag(FLAGS_connections); ++i) {
    auto rest = std::make_unique<RestLane>(bench.endpoint, port);
    if (!rest->connected()) return absl::UnavailableError(bench.endpoint.http_url);
    bench.rest.push_back(std::move(rest));
    bench.grpc.push_back(std::make_unique<GrpcLane>(bench.endpoint, i + 1));
  }
  PADDOCK_ASSIGN_OR_RETURN(bench.environment_id,
                           bench.rest[0]->Create(absl::StrCat("rest-bench-", bench.server_pid, "-",
                                                              absl::ToUnixMicros(absl::Now()))));
  {
    absl::MutexLock lock(&bench.mutex);
    bench.made.push_back(bench.environment_id);
  }
  for (const Lanes* lanes : {&bench.rest, &bench.grpc}) {  // Warm every connection.
    for (const std::unique_ptr<Lane>& lane : *lanes) {
      PADDOCK_RETURN_IF_ERROR(CallOnce(bench, *lane, Method::kCreate));
      PADDOCK_RETURN_IF_ERROR(CallOnce(bench, *lane, Method::kGet));
    }
  }
  for (const Method method : {Method::kCreate, Method::kGet}) {
    PADDOCK_RETURN_IF_ERROR(Latency(bench, method));
  }
  for (const Method method : {Method::kCreate, Method::kGet}) {
    PADDOCK_RETURN_IF_ERROR(Throughput(bench, method));
  }
  return absl::OkStatus();
}

absl::Status DeleteAll(Bench& bench) {
  PaddockClient client(bench.endpoint);
  absl::MutexLock lock(&bench.mutex);
  for (const std::string& id : bench.made) {
    PADDOCK_RETURN_IF_ERROR(client.DeleteEnvironment(id));
  }
  return absl::OkStatus();
}

absl::Status Main() {
  Bench bench;
  PADDOCK_ASSIGN_OR_RETURN(bench.endpoint, Endpoint::FromHome(absl::GetFlag(FLAGS_home)));
  std::ifstream(absl::StrCat(bench.endpoint.home, "/run/controlplane.pid")) >> bench.server_pid;
  if (MachineMeter::OfProcess(bench.server_pid) == absl::ZeroDuration()) {
    return absl::NotFoundError("the control plane of this home doesn't run");
  }
  absl::Status status = RunAll(bench);
  status.Update(DeleteAll(bench));
  return bench.report.Conclude(absl::GetFlag(FLAGS_json), status);
}

}  // namespace
}  // namespace paddock::bench

int main(int argc, char** argv) {
  return paddock::bench::BenchMain(argc, argv, "rest_bench", &paddock::bench::Main);
}
