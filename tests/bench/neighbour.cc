#include "tests/bench/neighbour.h"

#include "absl/time/clock.h"
#include "common/status_macros.h"

namespace paddock::bench {
namespace {

// Ends by itself, should nobody end it.
constexpr char kGreed[] =
    "(timeout 60 sh -c 'while :; do :; done' & timeout 60 sh -c 'while :; do :; done' &"
    " timeout 60 sh -c 'while :; do head -c 200000000 /dev/zero >/workspace/fill; done' &"
    " timeout 60 python3 -c 'while True: x = b\"1\" * (1 << 30)' &"
    " timeout 60 python3 -c '\n"
    "import os, time\n"
    "while True:\n"
    "  try:\n"
    "    if os.fork() == 0:\n"
    "      time.sleep(5)\n"
    "      os._exit(0)\n"
    "  except OSError:\n"
    "    time.sleep(0.1)\n"
    "' &) >/dev/null 2>&1; echo greedy";

absl::Status RunCommands(testing::PaddockClient& client, const std::string& session, int count,
                         Samples* samples) {
  for (int i = 0; i < count; ++i) {
    const absl::Time called = absl::Now();
    PADDOCK_ASSIGN_OR_RETURN(const testing::ExecResult result,
                             client.Exec(session, {"/bin/echo", "ready"}));
    if (result.out != "ready\n") return absl::InternalError("a neighbour's command failed");
    samples->Add(absl::Now() - called);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<NeighbourSamples> MeasureNeighbour(testing::PaddockClient& client,
                                                  const std::string& environment_id, int count) {
  NeighbourSamples samples;
  PADDOCK_ASSIGN_OR_RETURN(const v1::Session session, client.CreateSession(environment_id));
  absl::Status status = RunCommands(client, session.id(), count, &samples.alone);
  absl::StatusOr<v1::Session> greedy = client.CreateSession(environment_id);
  if (status.ok()) status = greedy.status();
  if (status.ok()) status = client.Shell(greedy->id(), kGreed).status();
  if (status.ok()) status = RunCommands(client, session.id(), count, &samples.beside);
  if (greedy.ok()) status.Update(client.DeleteSession(greedy->id()));
  status.Update(client.DeleteSession(session.id()));
  if (!status.ok()) return status;
  return samples;
}

}  // namespace paddock::bench
