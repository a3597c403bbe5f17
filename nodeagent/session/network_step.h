#pragma once

#include "nodeagent/session/start_step.h"

namespace paddock::nodeagent {

// The session's policy and fence in the gateway process: in force before its first process. No
// gateway process, no session. What the gateway has noted of it is kept beyond its end.
class NetworkStep : public StartStep {
 public:
  explicit NetworkStep(const NodeResources* resources) : resources_(resources) {}
  absl::string_view name() const override { return "network"; }
  absl::Status Do(StartContext& context) override;
  absl::Status Undo(const SessionRecord& record, bool keep_volume) override;

 private:
  void KeepEvents(const SessionRecord& record);

  const NodeResources* const resources_;
};

}  // namespace paddock::nodeagent
