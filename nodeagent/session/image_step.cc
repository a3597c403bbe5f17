#include "nodeagent/session/image_step.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace paddock::nodeagent {

absl::Status ImageStep::Do(StartContext& context) {
  const std::string& wanted = context.record.spec.image_digest;
  const std::string& digest = wanted.empty() ? resources_->base_image : wanted;
  absl::StatusOr<std::vector<Layer>> chain = resources_->layers->Chain(digest);
  if (absl::IsNotFound(chain.status())) {
    return absl::NotFoundError(
        absl::StrCat("this node has no image ", digest, ": ", chain.status().message()));
  }
  PADDOCK_RETURN_IF_ERROR(chain.status());
  for (const Layer& layer : *chain) context.container.lower_dirs.push_back(layer.root_dir);
  context.container.env = MergedEnvironment(*chain);
  return absl::OkStatus();
}

absl::Status ImageStep::Undo(const SessionRecord& record, bool keep_volume) {
  return absl::OkStatus();
}

}  // namespace paddock::nodeagent
