#include "nodeagent/session/image_step.h"

#include "absl/strings/str_cat.h"

namespace paddock::nodeagent {

absl::Status ImageStep::Do(StartContext& context) {
  const std::string& wanted = context.record.spec.image_digest;
  const std::string& digest = wanted.empty() ? resources_->base_image : wanted;
  absl::StatusOr<Layer> layer = resources_->layers->Get(digest);
  if (absl::IsNotFound(layer.status())) {
    return absl::NotFoundError(absl::StrCat("this node has no image ", digest));
  }
  if (!layer.ok()) return layer.status();
  context.container.lower_dirs = {layer->root_dir};
  context.container.env = layer->environment;
  return absl::OkStatus();
}

absl::Status ImageStep::Undo(const SessionRecord& record, bool keep_volume) {
  return absl::OkStatus();
}

}  // namespace paddock::nodeagent
