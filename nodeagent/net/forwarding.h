#pragma once

#include <string>

#include "absl/status/status.h"

namespace paddock::nodeagent {

// The machine's net.ipv4.ip_forward, which the agents on it share: the first one that needs it
// turns it on and remembers what it was, the last one restores that. The record lies under
// `directory`, which a reboot must empty, as it resets the setting. Safe between processes.
class SharedForwarding {
 public:
  static constexpr char kDefaultDirectory[] = "/run/paddock";
  explicit SharedForwarding(std::string directory = kDefaultDirectory,
                            std::string setting = "/proc/sys/net/ipv4/ip_forward")
      : directory_(std::move(directory)), setting_(std::move(setting)) {}
  // Idempotent, both.
  absl::Status Acquire(const std::string& instance);
  absl::Status Release(const std::string& instance);
  bool IsOn() const;

 private:
  std::string UserFile(const std::string& instance) const;
  std::string OriginalFile() const;

  const std::string directory_;
  const std::string setting_;
};

}  // namespace paddock::nodeagent
