#pragma once

#include "nodeagent/session/start_step.h"

namespace paddock::nodeagent {

// The container itself: cgroup, overlay, PID 1.
class ContainerStep : public StartStep {
 public:
  ContainerStep(const NodeResources* resources, absl::Duration start_timeout,
                absl::Duration destroy_timeout)
      : resources_(resources), start_timeout_(start_timeout), destroy_timeout_(destroy_timeout) {}
  absl::string_view name() const override { return "container"; }
  bool ChangesRecord() const override { return true; }
  absl::Status Do(StartContext& context) override;
  absl::Status Undo(const SessionRecord& record, bool keep_volume) override;

 private:
  const NodeResources* const resources_;
  const absl::Duration start_timeout_;
  const absl::Duration destroy_timeout_;
};

}  // namespace paddock::nodeagent
