#pragma once

#include <deque>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace paddock::nodeagent {

// Which slots are free; pure. The one that was freed first is taken first, so that an address rests
// as long as possible between two sandboxes. Not thread-safe.
//
//   FREE ─► USED ─► DRAINING ─► FREE
class SlotTable {
 public:
  explicit SlotTable(int slots);
  // RESOURCE_EXHAUSTED when none is free.
  absl::StatusOr<int> Take();
  // Takes this one. ALREADY_EXISTS if it isn't free, INVALID_ARGUMENT if there is no such slot.
  absl::Status TakeThis(int index);
  // From now on it is cleaned up. False if it isn't used: there is nothing to do.
  bool Drain(int index);
  // Clean-up is done.
  void Free(int index);
  bool IsUsed(int index) const;
  int free() const { return free_count_; }
  int draining() const { return draining_count_; }
  int size() const { return static_cast<int>(states_.size()); }

 private:
  enum class State : char { kFree, kUsed, kDraining };
  std::vector<State> states_;
  int free_count_;
  int draining_count_ = 0;
  std::deque<int> free_;  // May hold slots that TakeThis took since.
};

}  // namespace paddock::nodeagent
