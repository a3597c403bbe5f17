#pragma once

#include <atomic>
#include <cstdint>
#include <set>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace paddock {

// Ends the wait for a server that says nothing any more. One that is stopped, or whose machine
// hangs, enforces no statement_timeout, and while its kernel acknowledges what it is sent, no TCP
// time-out fires either: who waits in libpq would wait for ever. A thread looks at all connections
// and shuts the sockets of those that have waited for too long, which then look as if the server
// had gone. Thread-safe.
class ConnectionWatch {
 public:
  // One connection under watch. It is paused at first. The watch must outlive it. Thread-safe.
  class Watched {
   public:
    // `socket` stays the caller's. `limit`: how long an answer may take.
    Watched(ConnectionWatch* watch, int socket, absl::Duration limit);
    ~Watched();
    Watched(const Watched&) = delete;
    Watched& operator=(const Watched&) = delete;

    // The server is asked; the time for its answer begins anew.
    void Begin();
    // Nothing is expected of it.
    void Pause() { since_ = 0; }
    // Shuts the socket when the answer has taken `limit`, or `cap`.
    void EndIfSilent(absl::Duration cap) const;

   private:
    ConnectionWatch* const watch_;
    // Of our own: libpq may close its descriptor, and the number be another's, at any time.
    const int socket_;
    const absl::Duration limit_;
    std::atomic<int64_t> since_{0};  // Monotonic nanoseconds; 0: paused.
  };

  ConnectionWatch();
  // No connection may be watched any more.
  ~ConnectionWatch();

  // From now on no answer may take longer than `cap`, whatever the connections' own limits.
  void SetCap(absl::Duration cap);

 private:
  void Run();

  absl::Mutex mutex_;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Duration cap_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteDuration();
  std::set<const Watched*> watched_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace paddock
