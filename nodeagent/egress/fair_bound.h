#pragma once

#include <algorithm>
#include <cstdint>

namespace paddock::nodeagent {

// How much of something that many clients share one of them may have at once: less the less is
// free, so that however many take all they can get, who comes last gets some. Pure.
//
// Greedy clients fill what there is only up to a part that the next one still finds free; `kLeast`
// is had by all, beyond what there is.
class FairBound {
 public:
  static constexpr int kLeast = 4;
  // `all`: what there is; `most`: one client's bound while enough is free.
  constexpr FairBound(int64_t all, int most) : all_(all), most_(most) {}
  // One client's bound while so much is in use by all.
  int Of(int64_t in_use) const {
    return static_cast<int>(std::clamp<int64_t>((all_ - in_use) / kParts, kLeast, most_));
  }

 private:
  static constexpr int64_t kParts = 8;
  const int64_t all_;
  const int most_;
};

}  // namespace paddock::nodeagent
