#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/clock.h"
#include "nodeagent/egress/egress_log.h"
#include "nodeagent/egress/egress_policy.h"
#include "nodeagent/egress/gateway_client.h"
#include "nodeagent/egress/held_account.h"
#include "nodeagent/egress/synthetic_names.h"

namespace paddock::nodeagent {

// What the gateway knows of one session's traffic. Shared by its connections, which may outlive the
// session by a moment.
struct EgressSession {
  EgressSession(std::string session_id, SyntheticNames session_names, EgressLog session_log)
      : id(std::move(session_id)), names(std::move(session_names)), log(std::move(session_log)) {}
  const std::string id;
  uint32_t address = 0;  // Host byte order.
  std::string router_veth;
  std::optional<EgressPolicy> policy;  // Of a limited session.
  SyntheticNames names;
  EgressLog log;
  EgressCounts counts;
  int connections = 0;           // Open ones.
  HeldBytes held;                // Bytes that wait to be judged.
  int dials = 0;                 // Those that aren't connected yet.
  std::string last_denied_name;  // The newest that was answered by the sinkhole.

  // A refusal: one more, and its event.
  void Deny(EgressEvent event);
  // What the policy allows and the far side doesn't answer: the same.
  void Fail(EgressEvent event);
};

// The sessions of the gateway by what packets tell of them. A build of packages is one like any
// other. Not thread-safe.
class EgressSessions {
 public:
  EgressSessions(std::string names_directory, std::string events_directory, Clock* clock)
      : names_directory_(std::move(names_directory)),
        events_directory_(std::move(events_directory)),
        clock_(clock) {}
  // Makes the directories and removes the files of sessions that aren't among `known`.
  absl::Status Prepare(const std::vector<std::string>& known);

  enum class Origin { kNew, kRestored };
  // Adds or replaces. kRestored: an earlier gateway process knew it. The policy of a limited
  // session must be well-formed: INVALID_ARGUMENT otherwise.
  absl::Status Put(const GatewaySession& session, Origin origin);
  absl::Status Remove(const std::string& session_id);

  // Null if there is none.
  std::shared_ptr<EgressSession> Find(const std::string& session_id) const;
  std::shared_ptr<EgressSession> FindByAddress(uint32_t address) const;
  std::shared_ptr<EgressSession> FindByVeth(const std::string& router_veth) const;
  const std::map<std::string, std::shared_ptr<EgressSession>>& All() const { return sessions_; }
  // Writes the events that are new.
  void Flush();

 private:
  std::string NamesFile(const std::string& id) const { return names_directory_ + "/" + id; }
  std::string EventsFile(const std::string& id) const { return events_directory_ + "/" + id; }

  const std::string names_directory_;
  const std::string events_directory_;
  Clock* const clock_;
  std::map<std::string, std::shared_ptr<EgressSession>> sessions_;
  absl::flat_hash_map<uint32_t, std::shared_ptr<EgressSession>> by_address_;
};

}  // namespace paddock::nodeagent
