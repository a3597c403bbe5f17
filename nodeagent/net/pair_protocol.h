#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nodeagent/system/unique_fd.h"

namespace paddock::nodeagent {

// Between the pool and its pair maker: fixed-size messages over a SOCK_SEQPACKET socket pair. Both
// ends are the same binary, so there is nothing to version. One request, one answer.

enum class PairOperation : uint32_t {
  kMake,    // Answer carries the user and the network namespace.
  kRemove,  // Removes the veths of a set of slots and purges the connections of their addresses.
};

constexpr int kMaxSlots = 1 << 16;

struct PairRequest {
  PairOperation operation = PairOperation::kMake;
  int32_t index = 0;
  uint32_t uid_base = 0;
  uint32_t address = 0;               // Host byte order. kRemove: of slot 0.
  char veth[16] = {};                 // Router's end.
  uint8_t slots[kMaxSlots / 8] = {};  // kRemove: a bit for each.

  void AddSlot(int slot) { slots[slot / 8] |= 1 << (slot % 8); }
  bool HasSlot(int slot) const {
    return slot >= 0 && slot < kMaxSlots && ((slots[slot / 8] >> (slot % 8)) & 1) != 0;
  }
};

struct PairAnswer {
  int32_t code = 0;  // absl::StatusCode.
  char message[256] = {};
};

struct PairFds {
  UniqueFd userns;
  UniqueFd netns;
};

absl::Status SendAnswer(int socket, const absl::Status& status, const PairFds& fds);
// The status in the answer, or why there is none (UNAVAILABLE when the other end is gone).
absl::StatusOr<PairFds> ReceiveAnswer(int socket);

// The router's end of slot `index`; `salt` tells apart the veths that a slot has over time, so that
// a rule that names one can never fit its successor.
std::string VethName(int index, uint16_t salt);
// The slot that a link of the router namespace belongs to; -1 if it is no sandbox's.
int VethSlot(const std::string& name);

}  // namespace paddock::nodeagent
