#include "tests/packages/test_slot.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>

#include "absl/strings/str_cat.h"
#include "nodeagent/system/file.h"
#include "nodeagent/system/unique_fd.h"

namespace paddock::testing {
namespace {

constexpr int kSlots = 3;
constexpr char kDirectory[] = "/run/paddock/package-tests";

// Whether the lock on the slot's file is this process's, which it is as long as that lives.
bool Claim(int slot, int how) {
  nodeagent::UniqueFd file(
      open(absl::StrCat(kDirectory, "/", slot).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file.valid() || flock(file.get(), how) != 0) return false;
  (void)file.release();
  return true;
}

int ClaimAny() {
  EXPECT_TRUE(nodeagent::MakeDirectories(kDirectory).ok());
  for (int slot = 0; slot < kSlots; ++slot) {
    if (Claim(slot, LOCK_EX | LOCK_NB)) return slot;
  }
  EXPECT_TRUE(Claim(0, LOCK_EX));
  return 0;
}

}  // namespace

int TestSlot() {
  static const int slot = ClaimAny();
  return slot;
}

}  // namespace paddock::testing
