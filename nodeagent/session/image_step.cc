#include "nodeagent/session/image_step.h"

#include <set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace paddock::nodeagent {

std::vector<std::string> ImageStep::RegistriesOf(const std::vector<Layer>& layers) const {
  if (resources_->registry_hosts.has_value()) return *resources_->registry_hosts;
  std::set<std::string> hosts;
  for (const Layer& layer : layers) {
    hosts.insert(layer.registry_hosts.begin(), layer.registry_hosts.end());
  }
  return {hosts.begin(), hosts.end()};
}

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
  // They stand in the record before the session's policy is applied: the next step writes it.
  if (context.record.spec.network.allow_package_managers) {
    context.record.registry_hosts = RegistriesOf(*chain);
  }
  return absl::OkStatus();
}

absl::Status ImageStep::Undo(const SessionRecord& record, bool keep_volume) {
  return absl::OkStatus();
}

}  // namespace paddock::nodeagent
