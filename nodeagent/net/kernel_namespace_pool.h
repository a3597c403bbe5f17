#pragma once

#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "nodeagent/net/namespace_pool_factory.h"
#include "nodeagent/net/pair_maker_client.h"
#include "nodeagent/net/slot_table.h"

namespace paddock::nodeagent {

// The pool for real: slots in memory, work in the pair maker process, one thread that makes pairs
// ahead and cleans up slots that were released. Nothing is persisted: a session's own file says
// which slot it has, and pairs that nobody used go with this process. Thread-safe.
class KernelNamespacePool : public NamespacePool {
 public:
  explicit KernelNamespacePool(const NamespacePoolOptions& options);
  // Ends the thread; slots that still wait for their clean-up are swept by the next pool.
  ~KernelNamespacePool() override;

  absl::StatusOr<NamespacePair> Acquire() override;
  absl::Status Adopt(int index) override;
  absl::Status Release(int index) override;
  absl::Status Sweep() override;
  void Start() override;

 private:
  // Makes the pair of a slot that was taken; gives the slot back on failure.
  absl::StatusOr<NamespacePair> MakePair(int index) ABSL_LOCKS_EXCLUDED(mutex_);
  void Run() ABSL_LOCKS_EXCLUDED(mutex_);
  // One piece of background work; false if there was none or it is better tried again later.
  bool Step() ABSL_LOCKS_EXCLUDED(mutex_);
  bool MakeOneAhead() ABSL_LOCKS_EXCLUDED(mutex_);
  bool CleanUp() ABSL_LOCKS_EXCLUDED(mutex_);
  bool WantsMore() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  // A clean-up costs much the same for one slot as for many: it waits a moment for company, unless
  // slots are short.
  bool WantsCleanUp() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  void DrainSlot(int index) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // A slot, waiting a little for one that is being cleaned up.
  absl::StatusOr<int> TakeSlot() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const NamespacePoolOptions options_;
  PairMakerClient maker_;
  mutable absl::Mutex mutex_;
  SlotTable slots_ ABSL_GUARDED_BY(mutex_);
  std::deque<NamespacePair> ready_ ABSL_GUARDED_BY(mutex_);
  std::vector<int> draining_ ABSL_GUARDED_BY(mutex_);
  absl::Duration draining_since_ ABSL_GUARDED_BY(mutex_);  // Of the first one; Clock::Monotonic.
  bool filling_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace paddock::nodeagent
