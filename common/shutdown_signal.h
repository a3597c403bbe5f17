#pragma once

namespace paddock {

// SIGTERM and SIGINT as a wait instead of a handler. Install in main before any thread starts, so
// that every thread inherits the mask. SIGPIPE is ignored.
class ShutdownSignal {
 public:
  ShutdownSignal();

  // Blocks until the first signal and returns its number. From then on the next one ends the
  // process at once.
  int Wait();
};

}  // namespace paddock
