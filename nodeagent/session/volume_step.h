#pragma once

#include "nodeagent/session/start_step.h"

namespace paddock::nodeagent {

// The session's bounded volume: a fresh one, or with keep_volume the one that is there.
class VolumeStep : public StartStep {
 public:
  explicit VolumeStep(const NodeResources* resources) : resources_(resources) {}
  absl::string_view name() const override { return "volume"; }
  absl::Status Do(StartContext& context) override;
  absl::Status Undo(const SessionRecord& record, bool keep_volume) override;

 private:
  const NodeResources* const resources_;
};

}  // namespace paddock::nodeagent
