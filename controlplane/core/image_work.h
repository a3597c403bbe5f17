#pragma once

#include "common/ids.h"

namespace paddock {

// What makes images, as those see it that change environments. Thread-safe; nothing blocks. Both
// only make sooner what happens anyway.
class ImageWork {
 public:
  virtual ~ImageWork() = default;
  // The image of this environment has to be made.
  virtual void Kick(const EnvironmentId& id) = 0;
  // Builds under way may have lost the last image that needs them.
  virtual void Recheck() = 0;
};

}  // namespace paddock
