#pragma once

#include <cstddef>
#include <set>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace paddock {

// A stream that goes on until somebody ends it.
class Drainable {
 public:
  virtual ~Drainable() = default;
  // The server is ending: finish with UNAVAILABLE, so that the client goes on elsewhere. Must not
  // block.
  virtual void Drain() = 0;
};

// The endless streams of a server, so that it can end. Thread-safe.
class DrainGroup {
 public:
  explicit DrainGroup(size_t max_streams) : max_streams_(max_streams) {}

  // False when there are too many streams already, or the group is drained: refuse the stream.
  [[nodiscard]] bool Add(Drainable* stream);
  // Once it returns, the group doesn't call the stream. Nothing if it wasn't added.
  void Remove(Drainable* stream);

  // Drains every stream, and refuses later ones.
  void Drain();

  size_t size() const;

 private:
  const size_t max_streams_;
  mutable absl::Mutex mutex_;
  bool drained_ ABSL_GUARDED_BY(mutex_) = false;
  std::set<Drainable*> streams_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace paddock
