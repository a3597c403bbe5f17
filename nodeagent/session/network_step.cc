#include "nodeagent/session/network_step.h"

#include <utility>

#include "common/log.h"
#include "nodeagent/session/egress_reader.h"

namespace paddock::nodeagent {

absl::Status NetworkStep::Do(StartContext& context) {
  return resources_->gateway->PutSession(DescribeGatewaySession(*resources_, context.record));
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
