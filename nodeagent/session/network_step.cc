#include "nodeagent/session/network_step.h"

#include <utility>

#include "absl/random/random.h"
#include "absl/time/clock.h"
#include "common/backoff.h"
#include "common/clock.h"
#include "common/log.h"
#include "nodeagent/session/egress_reader.h"

namespace paddock::nodeagent {
namespace {

constexpr absl::Duration kRetryInitial = absl::Milliseconds(20);
constexpr absl::Duration kRetryMaximum = absl::Milliseconds(200);

}  // namespace

absl::Status NetworkStep::Do(StartContext& context) {
  const GatewaySession session = DescribeGatewaySession(*resources_, context.record);
  const absl::Duration give_up_at = Clock::Real()->Monotonic() + resources_->gateway_patience;
  Backoff backoff(kRetryInitial, kRetryMaximum);
  absl::BitGen random;
  while (true) {
    // Again is as good as once; a process that has died is back within a second.
    const absl::Status put = resources_->gateway->PutSession(session);
    if (!absl::IsUnavailable(put) || Clock::Real()->Monotonic() >= give_up_at) return put;
    absl::SleepFor(backoff.Next(random));
  }
}

absl::Status NetworkStep::Undo(const SessionRecord& record, bool keep_volume) {
  if (resources_->egress_archive != nullptr && record.pair.has_value()) KeepEvents(record);
  return resources_->gateway->RemoveSession(record.spec.session_id);
}

void NetworkStep::KeepEvents(const SessionRecord& record) {
  const std::string& id = record.spec.session_id;
  absl::StatusOr<std::vector<EgressEvent>> events = ReadAllEgress(resources_->gateway, id);
  // Without an answer the removal fails too, and both are tried again.
  if (!events.ok()) return;
  const absl::Status saved =
      resources_->egress_archive->Save(id, record.spec.generation, *std::move(events));
  if (saved.ok()) return;
  LogWarning("can't keep a session's egress events",
             {{"session_id", id}, {"error", saved.ToString()}});
}

}  // namespace paddock::nodeagent
