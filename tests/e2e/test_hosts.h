#pragma once

#include <sys/types.h>

#include <string>

namespace paddock::testing {

// Hosts in a network namespace of their own that this machine reaches as it reaches the internet,
// and a name server that sandboxes' names are asked of while this lives: every name below e2e.test
// leads to a web server on ports 80 and 8080, every name below private.e2e.test into a private
// range. Failures fail the test; the destructor leaves nothing. Not thread-safe.
class TestHosts {
 public:
  static constexpr char kWeb[] = "198.51.100.20";
  static constexpr char kNames[] = "198.51.100.53";

  // Of the system in `home`.
  explicit TestHosts(const std::string& home);
  ~TestHosts();
  TestHosts(const TestHosts&) = delete;
  TestHosts& operator=(const TestHosts&) = delete;

 private:
  void StartServers();
  void AskThem();

  const std::string home_;
  const std::string namespace_;
  const std::string link_;
  const std::string ready_;
  pid_t servers_ = -1;
};

// Runs a command line of the shell; fails the test when it fails.
void MustRun(const std::string& command);

// What a command line of the shell prints.
std::string OutputOf(const std::string& command);

}  // namespace paddock::testing
