#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace paddock::testing {

// Debian's OCI registry on a port of the loopback interface, with an empty store. Ends with the
// object. Not thread-safe.
class TestRegistry {
 public:
  TestRegistry();
  ~TestRegistry();

  // Flags of an agent that uses it.
  std::vector<std::string> Flags() const;
  // For skopeo(1).
  std::string Reference(const std::string& digest) const;
  std::vector<std::string> Tags() const;
  // All that it has.
  void Lose();

 private:
  const int port_;
  std::string directory_;
  pid_t pid_ = -1;
};

}  // namespace paddock::testing
