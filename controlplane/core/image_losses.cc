#include "controlplane/core/image_losses.h"

#include <vector>

#include "common/log.h"
#include "common/status_macros.h"
#include "controlplane/core/image_plan.h"

namespace paddock {
namespace {

constexpr int kImagesAtOnce = 100;
constexpr absl::Duration kViewAge = absl::Milliseconds(50);

}  // namespace

absl::Status ImageLosses::Look() {
  PADDOCK_ASSIGN_OR_RETURN(const std::vector<ImageStore::QueuedImage> queued,
                           deps_.store->QueuedImages(kImagesAtOnce));
  if (queued.empty()) return absl::OkStatus();
  PADDOCK_RETURN_IF_ERROR(deps_.view->RefreshIfOlder(kViewAge));
  for (const ImageStore::QueuedImage& image : queued) {
    if (!IsLost(image)) continue;
    // The image may be newer than the view that shows no node with it.
    PADDOCK_RETURN_IF_ERROR(deps_.view->RefreshIfOlder(absl::ZeroDuration()));
    if (IsLost(image)) PADDOCK_RETURN_IF_ERROR(AwaitAgain(image));
  }
  return absl::OkStatus();
}

bool ImageLosses::IsLost(const ImageStore::QueuedImage& image) const {
  return images_can_be_pulled_ ? !image.known : !IsSomewhere(*deps_.view->Get(), image.digest);
}

absl::Status ImageLosses::AwaitAgain(const ImageStore::QueuedImage& image) {
  PADDOCK_ASSIGN_OR_RETURN(const Environment environment, deps_.store->Find(image.environment_id));
  const EnvironmentImage& now = environment.image;
  const bool remake = now.state == ImageState::kFailed ||
                      (now.state == ImageState::kReady && now.digest == image.digest);
  PADDOCK_ASSIGN_OR_RETURN(
      const bool changed,
      deps_.store->AwaitAgain(environment.id, now.generation, image.digest, remake));
  if (!changed) return absl::OkStatus();
  LogWarning("an image is lost; the sessions that need it wait for another",
             {{"environment_id", environment.id.value()},
              {"digest", image.digest},
              {"made_again", remake}});
  deps_.hub->Notify(WatchKind::kEnvironment, environment.id.value());
  deps_.images->Kick(environment.id);
  deps_.wake_reconciler();
  return absl::OkStatus();
}

void ImageLosses::Missing(const SessionId& id, int64_t generation) {
  absl::Status status = deps_.store->ForgetImageOf(id, generation);
  if (status.ok()) status = deps_.view->RefreshIfOlder(absl::ZeroDuration());
  if (status.ok()) status = Look();
  // What isn't seen now is by a later look.
  if (!status.ok()) {
    LogWarning("missing image", {{"session_id", id.value()}, {"error", status.ToString()}});
  }
}

}  // namespace paddock
