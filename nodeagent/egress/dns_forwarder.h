#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nodeagent/egress/dns_message.h"
#include "nodeagent/egress/dns_policy.h"
#include "nodeagent/egress/dns_upstream.h"
#include "nodeagent/egress/event_loop.h"
#include "nodeagent/egress/resolvers.h"
#include "nodeagent/system/unique_fd.h"

namespace paddock::nodeagent {

// The name server of all sandboxes of an agent: takes look-ups on its sockets in the router
// namespace, over UDP and TCP, and asks the host's resolvers from the host's namespace, so that a
// resolver on a private address works. Each sandbox's look-ups in flight are bounded. Lives in the
// gateway's event loop; not thread-safe.
class DnsForwarder {
 public:
  // `udp` and `tcp`: bound, non-blocking, `tcp` listening. `policy` outlives this object.
  static absl::StatusOr<std::unique_ptr<DnsForwarder>> Create(EventLoop* loop, UniqueFd udp,
                                                              UniqueFd tcp, DnsPolicy* policy);
  ~DnsForwarder();
  void SetResolvers(std::vector<ResolverAddress> resolvers);
  // By outcome, since the start.
  const std::map<std::string, int64_t>& counts() const { return counts_; }

 private:
  struct TcpClient;
  using Reply = std::function<void(std::string answer)>;

  DnsForwarder(EventLoop* loop, UniqueFd udp, UniqueFd tcp, DnsPolicy* policy);
  void ReadDatagrams();
  // Answers now or later by `reply`; not at all what deserves none.
  void Handle(uint32_t client, absl::string_view packet, DnsTransport transport, Reply reply);
  void AnswerAddress(const DnsQuery& query, uint32_t address, const Reply& reply);
  void Forward(uint32_t client, const DnsQuery& query, DnsTransport transport, Reply reply);
  // What a resolver answered, or the error that it becomes.
  std::string Judged(uint32_t client, const DnsQuery& query, const std::string& answer);
  // Whether the sandbox may have one more look-up in flight; counts it if so.
  bool Admit(uint32_t client);
  void Finish(uint32_t client);

  void AcceptClients();
  void OnClient(int fd, uint32_t events);
  void ReadClient(TcpClient& client);
  void WriteClient(TcpClient& client);
  void NextRequest(TcpClient& client);
  void DropClient(int fd);
  void DropIdleClients();

  EventLoop* const loop_;
  UniqueFd udp_;
  UniqueFd tcp_;
  DnsPolicy* const policy_;
  std::vector<ResolverAddress> resolvers_;
  absl::flat_hash_map<uint32_t, int> in_flight_;        // By client.
  absl::flat_hash_map<uint32_t, int> tcp_connections_;  // By client.
  std::map<uint64_t, std::unique_ptr<DnsUpstream>> upstreams_;
  uint64_t last_upstream_ = 0;
  std::map<int, std::unique_ptr<TcpClient>> clients_;  // By descriptor.
  uint64_t last_client_ = 0;
  std::unique_ptr<LoopTimer> idle_timer_;
  std::map<std::string, int64_t> counts_;
};

}  // namespace paddock::nodeagent
