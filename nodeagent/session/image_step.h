#pragma once

#include "nodeagent/session/start_step.h"

namespace paddock::nodeagent {

// Finds the layers of the session's image, and the registries that they name. Makes nothing.
// NOT_FOUND when the node lacks it.
class ImageStep : public StartStep {
 public:
  explicit ImageStep(const NodeResources* resources) : resources_(resources) {}
  absl::string_view name() const override { return "image"; }
  absl::Status Do(StartContext& context) override;
  absl::Status Undo(const SessionRecord& record, bool keep_volume) override;

 private:
  // The union over the layers of one image.
  std::vector<std::string> RegistriesOf(const std::vector<Layer>& layers) const;

  const NodeResources* const resources_;
};

}  // namespace paddock::nodeagent
