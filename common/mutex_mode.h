#pragma once

namespace paddock {

// Debian builds Abseil so that it looks for cycles in the order of all locks at each of them,
// gRPC's own included: a few per cent of what our processes compute. Called first in main, this
// turns the search off; tests keep it.
void UseMutexesOfProduction();

}  // namespace paddock
