#include "nodeagent/net/slot_table.h"

#include "absl/strings/str_cat.h"

namespace paddock::nodeagent {

SlotTable::SlotTable(int slots) : states_(slots, State::kFree), free_count_(slots) {
  for (int i = 0; i < slots; ++i) free_.push_back(i);
}

absl::StatusOr<int> SlotTable::Take() {
  while (!free_.empty()) {
    int index = free_.front();
    free_.pop_front();
    if (states_[index] != State::kFree) continue;
    states_[index] = State::kUsed;
    --free_count_;
    return index;
  }
  return absl::ResourceExhaustedError(
      absl::StrCat("all ", states_.size(), " sandbox slots of this node are in use"));
}

absl::Status SlotTable::TakeThis(int index) {
  if (index < 0 || index >= size()) {
    return absl::InvalidArgumentError(absl::StrCat("no slot ", index));
  }
  if (states_[index] != State::kFree) {
    return absl::AlreadyExistsError(absl::StrCat("slot ", index, " is taken"));
  }
  states_[index] = State::kUsed;
  --free_count_;
  return absl::OkStatus();
}

bool SlotTable::Drain(int index) {
  if (!IsUsed(index)) return false;
  states_[index] = State::kDraining;
  ++draining_count_;
  return true;
}

void SlotTable::Free(int index) {
  if (index < 0 || index >= size() || states_[index] != State::kDraining) return;
  states_[index] = State::kFree;
  ++free_count_;
  --draining_count_;
  free_.push_back(index);
}

bool SlotTable::IsUsed(int index) const {
  return index >= 0 && index < size() && states_[index] == State::kUsed;
}

}  // namespace paddock::nodeagent
