#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "nodeagent/egress/dns_message.h"
#include "nodeagent/egress/event_loop.h"
#include "nodeagent/egress/resolvers.h"
#include "nodeagent/system/unique_fd.h"

namespace paddock::nodeagent {

enum class DnsTransport { kUdp, kTcp };

// One look-up at the host's resolvers, one after the other until one answers; a socket with a port
// and an id of its own each time, so that answers are hard to forge. Lives in an event loop; not
// thread-safe.
class DnsUpstream {
 public:
  // Called once, never from within Start: with the answer, whose id is the query's; or empty when
  // no resolver answered in time. It may destroy this object.
  using Done = std::function<void(std::string answer)>;
  DnsUpstream(EventLoop* loop, DnsQuery query, DnsTransport transport,
              std::vector<ResolverAddress> resolvers, Done done);
  ~DnsUpstream();
  absl::Status Start();

 private:
  void TryNext();
  bool Open(const ResolverAddress& resolver);
  void OnEvent(uint32_t events);
  void ReadDatagram();
  void OnStream(uint32_t events);
  void Close();
  void Finish(std::string answer);

  EventLoop* const loop_;
  const DnsQuery query_;
  const DnsTransport transport_;
  const std::vector<ResolverAddress> resolvers_;
  Done done_;
  std::unique_ptr<LoopTimer> timer_;
  UniqueFd socket_;
  uint16_t id_ = 0;
  int attempt_ = 0;
  std::string outgoing_;  // kTcp: what is left to send.
  std::string incoming_;
};

}  // namespace paddock::nodeagent
