#include "common/ids.h"

#include <openssl/rand.h>

#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/strings/match.h"
#include "absl/synchronization/mutex.h"

namespace paddock {
namespace {

constexpr absl::string_view kAlphabet = "0123456789abcdefghjkmnpqrstvwxyz";
constexpr int kTimeCharacters = 10;
constexpr int kRandomCharacters = 16;

constexpr uint64_t kStepMillis = 1000;

// 80 bits are used.
using Tail = unsigned __int128;

// Fails only when the kernel has no entropy source at all.
void FillRandom(void* bytes, int size) {
  if (RAND_bytes(static_cast<unsigned char*>(bytes), size) != 1) abort();
}

// The random parts of ids, rising within a millisecond. Thread-safe.
class TailSource {
 public:
  Tail Next(uint64_t millis) {
    absl::MutexLock lock(&mutex_);
    if (millis == newest_millis_) {
      uint32_t step = 0;
      FillRandom(&step, sizeof(step));
      return newest_tail_ += Tail{step} + 1;
    }
    Tail tail = 0;
    FillRandom(&tail, sizeof(tail));
    tail &= (Tail{1} << 79) - 1;  // The highest bit is room to rise.
    // A thread that read the clock a moment earlier disturbs nothing; a clock set back starts anew.
    if (millis > newest_millis_ || newest_millis_ - millis > kStepMillis) {
      newest_millis_ = millis;
      newest_tail_ = tail;
    }
    return tail;
  }

 private:
  absl::Mutex mutex_;
  uint64_t newest_millis_ ABSL_GUARDED_BY(mutex_) = 0;
  Tail newest_tail_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace

std::string NewId(absl::string_view prefix, absl::Time now) {
  static TailSource& tails = *new TailSource;
  std::string id(prefix);
  const uint64_t millis = static_cast<uint64_t>(absl::ToUnixMillis(now));
  const Tail tail = tails.Next(millis);
  for (int i = kTimeCharacters - 1; i >= 0; --i) id.push_back(kAlphabet[(millis >> (5 * i)) & 31]);
  for (int i = kRandomCharacters - 1; i >= 0; --i) {
    id.push_back(kAlphabet[static_cast<uint64_t>(tail >> (5 * i)) & 31]);
  }
  return id;
}

bool IsWellFormedId(absl::string_view prefix, absl::string_view id) {
  if (!absl::StartsWith(id, prefix)) return false;
  id.remove_prefix(prefix.size());
  if (id.size() != kTimeCharacters + kRandomCharacters) return false;
  return id.find_first_not_of(kAlphabet) == absl::string_view::npos;
}

}  // namespace paddock
