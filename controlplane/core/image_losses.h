#pragma once

#include <functional>

#include "absl/status/status.h"
#include "controlplane/core/image_store.h"
#include "controlplane/core/image_work.h"
#include "controlplane/core/node_view.h"
#include "controlplane/core/watch_hub.h"

namespace paddock {

// Finds sessions in the queue whose image is nowhere any more: nodes collect what nobody uses, and
// go away with what they have. Such sessions wait for the image of their environment again, which
// is made anew where it is the one that is lost. Nothing is owned. Thread-safe; blocks for the
// database.
class ImageLosses {
 public:
  struct Deps {
    ImageStore* store = nullptr;
    NodeView* view = nullptr;
    WatchHub* hub = nullptr;
    ImageWork* images = nullptr;
    std::function<void()> wake_reconciler;
  };

  ImageLosses(const Deps& deps, bool images_can_be_pulled)
      : deps_(deps), images_can_be_pulled_(images_can_be_pulled) {}

  // One look at the queue.
  absl::Status Look();
  // The session's start on its node found no image, wherever that may get one from. Looks again.
  void Missing(const SessionId& id, int64_t generation);

 private:
  bool IsLost(const ImageStore::QueuedImage& image) const;
  absl::Status AwaitAgain(const ImageStore::QueuedImage& image);

  const Deps deps_;
  const bool images_can_be_pulled_;
};

}  // namespace paddock
