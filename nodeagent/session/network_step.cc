#include "nodeagent/session/network_step.h"

namespace paddock::nodeagent {

absl::Status NetworkStep::Do(StartContext& context) {
  return resources_->gateway->PutSession(DescribeGatewaySession(*resources_, context.record));
}

absl::Status NetworkStep::Undo(const SessionRecord& record, bool keep_volume) {
  return resources_->gateway->RemoveSession(record.spec.session_id);
}

}  // namespace paddock::nodeagent
