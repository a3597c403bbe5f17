#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "nodeagent/egress/dns_upstream.h"
#include "nodeagent/egress/event_loop.h"
#include "nodeagent/egress/resolvers.h"

namespace paddock::nodeagent {

struct ResolvedHost {
  std::vector<uint32_t> addresses;   // IPv4, host byte order; not empty.
  std::vector<std::string> aliases;  // The other names that they were found under.
};

// The IPv4 addresses of host names, as the host's resolvers know them, kept for as long as they say
// and a minute at most. One look-up at a time for a name, whoever asks. Lives in an event loop; not
// thread-safe.
class HostResolver {
 public:
  // NOT_FOUND when there is no such name, or it has no address; UNAVAILABLE when no resolver
  // answers.
  using Answer = absl::StatusOr<ResolvedHost>;
  using Done = std::function<void(const Answer& answer)>;

  explicit HostResolver(EventLoop* loop) : loop_(loop) {}
  void SetResolvers(std::vector<ResolverAddress> resolvers) { resolvers_ = std::move(resolvers); }
  // Calls `done` once: at once when the answer is known, or later.
  void Resolve(const std::string& name, Done done);

 private:
  struct LookUp {
    std::unique_ptr<DnsUpstream> upstream;
    std::vector<Done> waiting;
  };
  struct Known {
    Answer answer;
    absl::Duration until;
  };
  absl::Status Ask(const std::string& name, DnsTransport transport);
  void OnAnswer(const std::string& name, DnsTransport transport, const std::string& packet);
  void Finish(const std::string& name, const Answer& answer, absl::Duration keep);

  EventLoop* const loop_;
  std::vector<ResolverAddress> resolvers_;
  std::map<std::string, LookUp> look_ups_;
  absl::flat_hash_map<std::string, Known> known_;
};

}  // namespace paddock::nodeagent
