#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "nodeagent/egress/client_inspector.h"
#include "nodeagent/egress/egress_services.h"
#include "nodeagent/egress/held_account.h"
#include "nodeagent/system/unique_fd.h"

namespace paddock::nodeagent {

// Ends a client's connection so that it understands why: HTTP is answered by 403 (502 for a host
// that can't be reached) with the reason, TLS by an alert, anything else by a reset. Waits a moment
// for the client's first bytes where it isn't known what it speaks. Lives in an event loop; not
// thread-safe.
class Refusal {
 public:
  struct Answer {
    bool denied = true;  // By the policy; else it failed.
    std::string reason;
  };
  // Called once, when it is known what the client speaks ("tcp", "tls", "http") and which host it
  // named itself, if any.
  using Explain = std::function<Answer(absl::string_view protocol, const std::string& wanted)>;
  // Called at the end; it may destroy this object.
  using Ended = std::function<void()>;

  // Takes the connection over; the descriptor isn't watched by anybody else. `held`, of the
  // connection, outlives this object.
  Refusal(EgressServices* services, HeldAccount* held, UniqueFd client, Explain explain,
          Ended ended);
  ~Refusal();
  // Asks the client. `received`: what it has sent so far.
  void Start(absl::string_view received);
  // Answers at once, in a protocol that is known.
  void StartWith(absl::string_view protocol, const std::string& wanted);
  // Waits for no more bytes of the client. This object may be gone then.
  void Hurry() {
    if (!answered_) AnswerByWhatCame();
  }

 private:
  void OnReadable();
  // Judges by what has come; true if the client was answered, and this object may be gone.
  bool Look(absl::string_view bytes);
  void AnswerByWhatCame();
  void AnswerClient(absl::string_view protocol, const std::string& wanted);
  void Drain();
  void Reset();
  void End();

  EgressServices* const services_;
  HeldAccount* const held_;
  UniqueFd client_;
  Explain explain_;
  Ended ended_;
  std::unique_ptr<ClientInspector> inspector_;  // Until the client is answered.
  bool answered_ = false;
  size_t drained_ = 0;
  Deadlines::Timer timer_;
};

}  // namespace paddock::nodeagent
