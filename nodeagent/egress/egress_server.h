#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "nodeagent/egress/egress_connection.h"
#include "nodeagent/egress/egress_services.h"
#include "nodeagent/egress/egress_sessions.h"
#include "nodeagent/egress/event_loop.h"
#include "nodeagent/system/unique_fd.h"

namespace paddock::nodeagent {

// Takes the TCP connections that limited sessions make to synthetic addresses and decides what
// becomes of each. Lives in an event loop; not thread-safe.
class EgressServer {
 public:
  struct Limits {
    int per_session = 4096;
    int all = 32768;
  };
  // `listener`: transparent and listening; see OpenEgressListener.
  static absl::StatusOr<std::unique_ptr<EgressServer>> Create(EgressServices* services,
                                                              EgressSessions* sessions,
                                                              UniqueFd listener, Limits limits);
  ~EgressServer();
  // Cuts the connections to names and addresses that are blocked by now.
  void DropBlocked();
  // The events of all connections that the end of this process will cut.
  void ReportCut();
  // Cuts the session's connections.
  void DropSession(const std::string& session_id);
  int64_t connections() const { return static_cast<int64_t>(connections_.size()); }

 private:
  using Explanation = EgressConnection::Explanation;
  EgressServer(EgressServices* services, EgressSessions* sessions, UniqueFd listener, Limits limits)
      : services_(services), sessions_(sessions), listener_(std::move(listener)), limits_(limits) {}
  void Accept();
  void Serve(UniqueFd client, const std::shared_ptr<EgressSession>& session, uint32_t address,
             int port);
  Explanation ExplainSinkhole(const EgressSession& session, const std::string& wanted) const;
  // One of them that ends takes nobody but itself away.
  std::vector<EgressConnection*> All() const;
  EgressConnection* Add(UniqueFd client, const std::shared_ptr<EgressSession>& session,
                        const std::string& name, int port);

  EgressServices* const services_;
  EgressSessions* const sessions_;
  UniqueFd listener_;
  const Limits limits_;
  std::unique_ptr<LoopTimer> reports_;
  absl::flat_hash_map<uint64_t, std::unique_ptr<EgressConnection>> connections_;
  uint64_t last_id_ = 0;
};

// The listener, in the network namespace that the calling thread is in.
absl::StatusOr<UniqueFd> OpenEgressListener();
// As many connections as descriptors suffice for, once the limits are raised as far as they may be.
int RaiseConnectionLimit();

}  // namespace paddock::nodeagent
