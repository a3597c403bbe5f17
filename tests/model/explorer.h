#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "tests/model/fleet_model.h"

namespace paddock::model {

struct Exploration {
  size_t states = 0;
  size_t steps = 0;
  size_t settled = 0;
  bool complete = false;  // Every reachable state was seen.
  // Empty when every property holds; else which doesn't, with the shortest way there.
  std::string broken;
};

// Every state that `model` reaches, breadth first, `max_states` at most. Checked are the model's
// properties in each of them, and that each can still come to rest.
Exploration Explore(FleetModel* model, size_t max_states);

// One line that says what a state is.
std::string Describe(const State& state);

}  // namespace paddock::model
