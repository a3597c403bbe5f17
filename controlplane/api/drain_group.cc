#include "controlplane/api/drain_group.h"

namespace paddock {

bool DrainGroup::Add(Drainable* stream) {
  absl::MutexLock lock(&mutex_);
  if (drained_ || streams_.size() >= max_streams_) return false;
  streams_.insert(stream);
  return true;
}

void DrainGroup::Remove(Drainable* stream) {
  absl::MutexLock lock(&mutex_);
  streams_.erase(stream);
}

void DrainGroup::Drain() {
  absl::MutexLock lock(&mutex_);
  drained_ = true;
  for (Drainable* stream : streams_) stream->Drain();
}

size_t DrainGroup::size() const {
  absl::MutexLock lock(&mutex_);
  return streams_.size();
}

}  // namespace paddock
