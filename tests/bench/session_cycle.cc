#include "tests/bench/session_cycle.h"

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace paddock::bench {
namespace {

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
}

}  // namespace paddock::bench
