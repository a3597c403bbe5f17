#pragma once

#include <atomic>
#include <thread>

#include "nodeagent/system/unique_fd.h"

namespace paddock::bench {

// The far side of the egress benchmark: an echo, and a source that sends as fast as it can. Listens
// on every address of the namespace in which it is made; serves in threads of its own. Thread-safe.
class StreamServer {
 public:
  static constexpr int kEchoPort = 9001;
  static constexpr int kSourcePort = 9002;
  StreamServer();
  ~StreamServer();
  int open_echoes() const { return open_echoes_; }

 private:
  void ServeEchoes();
  void ServeSources();

  nodeagent::UniqueFd echo_, source_, stop_;
  std::atomic<int> open_echoes_{0};
  std::thread echo_thread_, source_thread_;
};

}  // namespace paddock::bench
