#pragma once

#include <algorithm>
#include <cstdint>

namespace paddock::nodeagent {

// Bytes of clients that are held because they can't be judged yet: of one session, or of all.
struct HeldBytes {
  int64_t now = 0;
  int64_t peak = 0;  // Since the memory was last given back.
};

// One connection's part of the held bytes, given back when it is destroyed; the two sums outlive
// it. Not thread-safe.
class HeldAccount {
 public:
  static constexpr int64_t kMaxOfSession = 16 << 20;
  static constexpr int64_t kMaxOfAll = 128 << 20;
  // A session may have this much whatever the others hold.
  static constexpr int64_t kLeastOfSession = 1 << 20;

  HeldAccount(HeldBytes* session, HeldBytes* all) : session_(session), all_(all) {}
  ~HeldAccount() { Set(0); }
  HeldAccount(const HeldAccount&) = delete;
  HeldAccount& operator=(const HeldAccount&) = delete;

  // What the connection holds now. False if that is more than it may: it must be ended.
  bool Set(int64_t bytes) {
    int64_t more = bytes - bytes_;
    bytes_ = bytes;
    for (HeldBytes* sum : {session_, all_}) {
      sum->now += more;
      sum->peak = std::max(sum->peak, sum->now);
    }
    if (more <= 0) return true;
    if (session_->now > kMaxOfSession) return false;
    return all_->now <= kMaxOfAll || session_->now <= kLeastOfSession;
  }

 private:
  HeldBytes* const session_;
  HeldBytes* const all_;
  int64_t bytes_ = 0;
};

}  // namespace paddock::nodeagent
