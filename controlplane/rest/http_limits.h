#pragma once

#include <cstddef>

#include "absl/time/time.h"

namespace paddock {

// What one client may take of the HTTP server. Whoever exceeds a time is cut.
struct HttpLimits {
  size_t header_bytes = 16 << 10;
  size_t body_bytes = 4 << 20;
  size_t connections = 20'000;
  // Frames that wait for a slow reader of events.
  size_t unsent_event_bytes = 256 << 10;

  absl::Duration handshake = absl::Seconds(10);
  // Between requests.
  absl::Duration idle = absl::Minutes(3);
  // From a request's first byte to the end of its header, and of its body from there.
  absl::Duration header = absl::Seconds(10);
  absl::Duration body = absl::Seconds(30);
  absl::Duration write = absl::Seconds(60);
  // How long a refused body is read and thrown away, so that its sender gets to see the answer.
  absl::Duration linger = absl::Seconds(5);
  size_t linger_bytes = 32 << 20;
  // A comment is sent to readers of events so often; it finds out who has gone.
  absl::Duration event_ping = absl::Seconds(15);
};

}  // namespace paddock
