#pragma once

#include <string>
#include <vector>

#include "controlplane/core/image_work.h"

namespace paddock {

// Records what it is told. One test thread at a time.
class FakeImageWork : public ImageWork {
 public:
  void Kick(const EnvironmentId& id) override { kicked_.push_back(id.value()); }
  void Recheck() override { ++rechecks_; }

  const std::vector<std::string>& kicked() const { return kicked_; }
  int rechecks() const { return rechecks_; }

 private:
  std::vector<std::string> kicked_;
  int rechecks_ = 0;
};

}  // namespace paddock
