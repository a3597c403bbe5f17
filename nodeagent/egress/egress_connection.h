#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "nodeagent/egress/client_inspector.h"
#include "nodeagent/egress/dial.h"
#include "nodeagent/egress/egress_services.h"
#include "nodeagent/egress/egress_sessions.h"
#include "nodeagent/egress/held_account.h"
#include "nodeagent/egress/refusal.h"
#include "nodeagent/egress/relay_side.h"

namespace paddock::nodeagent {

// One TCP connection of a limited session.
//
//   RELAYING (dials at once; passes the server's bytes on as they come, the client's once they have
//   been looked at) ─► ended
//       └─► REFUSING (tells the client why) ─► ended
//
// Lives in an event loop; not thread-safe.
class EgressConnection {
 public:
  // Called at the end; it may destroy this object.
  using Ended = std::function<void()>;
  EgressConnection(EgressServices* services, std::shared_ptr<EgressSession> session,
                   UniqueFd client, std::string name, int port, Ended ended);
  ~EgressConnection();

  // Connects to the name, which the policy allows at that port.
  void Relay();
  // Why a client is refused: the event's name and address, and the reason for people.
  struct Explanation {
    std::string name;
    std::string address;
    std::string reason;
  };
  // Given the host that the client names itself, if it does.
  using Explain = std::function<Explanation(const std::string& wanted)>;
  // Tells the client why not. `verdict`: counts there.
  void Refuse(const std::string& verdict, Explain explain);
  // Keeps the bytes so far; also by an event for one that stays open, rarer the older it is.
  void Report();
  // The event of one that ends with this process; then it may be gone.
  void ReportCut();
  // Closes both sides so that the peers see a reset; for one that is about to be destroyed.
  void Abort();
  // Ends it if its name, one of its aliases or its address is blocked by now; then it may be gone.
  bool CutIfBlocked();
  const EgressSession& session() const { return *session_; }

 private:
  void EndDial();
  void OnDialed(absl::StatusOr<Dial::Connected> connected);
  void OnEvent(RelaySide* side, uint32_t events);
  // False when this object may be gone.
  bool Read(RelaySide* side);
  bool OnClientBytes(absl::string_view bytes);
  bool OnServerBytes(absl::string_view bytes);
  bool OnClientEnd();
  bool PassToServer(const std::string& bytes);
  // What the client sends isn't what it may, or the host can't be reached. Its event says what went
  // out to the far side, and what the client speaks: where that isn't known yet, once it is.
  void Stop(const std::string& verdict, const absl::Status& why);
  void SetProtocol(absl::string_view protocol);
  void OnTimer();
  // `progress`: something was passed on since the last time.
  void WatchInspector(bool progress);
  void Update();
  // Why it is blocked by now; empty if it isn't.
  std::string Blocked() const;
  EgressEvent EventSoFar() const;
  ConnectionTable::Entry EntrySoFar() const;
  void End();

  EgressServices* const services_;
  const std::shared_ptr<EgressSession> session_;
  const std::string name_;
  const int port_;
  Ended ended_;
  RelaySide client_;
  RelaySide server_;
  HeldAccount held_;
  std::unique_ptr<ClientInspector> inspector_;  // Until the client's bytes may pass unseen.
  std::unique_ptr<Dial> dial_;
  std::unique_ptr<Refusal> refusal_;
  Deadlines::Timer timer_;
  enum class Waiting { kNothing, kLine, kMessage } waiting_ = Waiting::kNothing;
  const char* protocol_ = "tcp";
  uint32_t address_ = 0;              // What was dialed.
  std::vector<std::string> aliases_;  // Of the name, when it was dialed.
  int slot_ = ConnectionTable::kNone;
  ConnectionTable::Entry kept_;  // In that slot.
  int upgrades_removed_ = 0;
  bool client_spoke_ = false;
  int64_t bytes_received_ = 0;
  absl::Duration started_;
  absl::Duration next_report_;
};

}  // namespace paddock::nodeagent
