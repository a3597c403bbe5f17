#pragma once

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "nodeagent/build/layer_builder.h"
#include "nodeagent/image/layer_store.h"
#include "nodeagent/session/session_manager.h"

namespace paddock::nodeagent {

// Keeps the layers of this node within a budget of disk: those that nobody has used for longest go
// first, never one below a session or a build, nor the base image. Nothing is owned. Thread-safe.
class LayerCollector {
 public:
  // Longer than any start takes between finding a layer and being known to the session manager.
  static constexpr absl::Duration kGrace = absl::Minutes(5);

  LayerCollector(LayerStore* layers, const SessionManager* sessions, const LayerBuilder* builder,
                 std::string base_image, int64_t budget_bytes);
  void Run();

 private:
  LayerStore* const layers_;
  const SessionManager* const sessions_;
  const LayerBuilder* const builder_;
  const std::string base_image_;
  const int64_t budget_bytes_;
};

}  // namespace paddock::nodeagent
