#pragma once

#include "nodeagent/session/start_step.h"

namespace paddock::nodeagent {

// Finds the layers of the session's image. Makes nothing. FAILED_PRECONDITION when the node lacks
// it.
class ImageStep : public StartStep {
 public:
  explicit ImageStep(const NodeResources* resources) : resources_(resources) {}
  absl::string_view name() const override { return "image"; }
  absl::Status Do(StartContext& context) override;
  absl::Status Undo(const SessionRecord& record, bool keep_volume) override;

 private:
  const NodeResources* const resources_;
};

}  // namespace paddock::nodeagent
