#include "nodeagent/init/fallback_client.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/clock.h"
#include "common/status_macros.h"
#include "nodeagent/init/exec_exchange.h"
#include "nodeagent/init/init_connection.h"

namespace paddock::nodeagent {
namespace {

// Malformed on purpose: PID 1 refuses it, which is an answer.
constexpr char kQuestion[] = "?";

bool Answered(int connection) { return WaitReadable(connection, absl::ZeroDuration()).ok(); }

class FallbackClient : public InitClient {
 public:
  FallbackClient(std::shared_ptr<InitHealth> health, FallbackOptions options)
      : health_(std::move(health)), options_(std::move(options)) {}

  absl::StatusOr<std::unique_ptr<ExecHandle>> Exec(const ExecSpec& spec, int cgroup_procs_fd,
                                                   ExecStreams* streams,
                                                   absl::Duration timeout) override {
    const absl::Duration deadline = Clock::Real()->Monotonic() + timeout;
    if (health_->ShouldAsk()) {
      Attempt attempt;
      auto handle =
          Ask(spec, cgroup_procs_fd, streams, std::min(options_.patience, timeout / 2), &attempt);
      if (attempt.answered) return handle;
      PADDOCK_RETURN_IF_ERROR(Revoke(attempt, cgroup_procs_fd >= 0));
      if (health_->OnSilence()) options_.on_silence(handle.status());
    }
    return options_.fallback->Exec(spec, cgroup_procs_fd, streams,
                                   deadline - Clock::Real()->Monotonic());
  }

 private:
  // What PID 1 was asked.
  struct Attempt {
    UniqueFd payload;
    UniqueFd connection;  // Valid once a request was sent.
    bool answered = false;
  };

  absl::StatusOr<std::unique_ptr<ExecHandle>> Ask(const ExecSpec& spec, int cgroup_procs_fd,
                                                  ExecStreams* streams, absl::Duration patience,
                                                  Attempt* attempt) {
    attempt->answered = true;  // What is wrong with the command itself is final, too.
    PADDOCK_ASSIGN_OR_RETURN(const EncodedExec encoded, EncodeExec(spec, cgroup_procs_fd >= 0));
    PADDOCK_ASSIGN_OR_RETURN(attempt->payload, MakePayload(encoded.payload));
    attempt->answered = false;
    PADDOCK_ASSIGN_OR_RETURN(UniqueFd connection, ConnectToInit(health_->socket_path(), patience));
    PADDOCK_RETURN_IF_ERROR(
        SendExec(connection.get(), encoded, attempt->payload.get(), cgroup_procs_fd));
    attempt->connection = std::move(connection);
    PADDOCK_RETURN_IF_ERROR(WaitReadable(attempt->connection.get(), patience));
    attempt->answered = true;
    return ReceiveStarted(spec, /*inherits=*/false, std::move(attempt->connection), streams);
  }

  // OK: the command hasn't been started and never will be by this attempt.
  absl::Status Revoke(const Attempt& attempt, bool has_cgroup) {
    if (!attempt.connection.valid()) return absl::OkStatus();  // Nothing was sent.
    if (!has_cgroup) return Unknown("it has no cgroup of its own");
    absl::Status revoked = RevokePayload(attempt.payload.get());
    // Whoever has read the payload is in the command's cgroup since before, and whoever joins that
    // from here on finds the payload empty.
    if (revoked.ok()) revoked = options_.kill_command();
    if (!revoked.ok()) return Unknown(revoked.message());
    if (!Answered(attempt.connection.get())) return absl::OkStatus();
    PADDOCK_ASSIGN_OR_RETURN(const Packet packet, ReceivePacket(attempt.connection.get()));
    // Its answer tells whether the command had got as far as to be executed.
    const auto reply = ParseReply(packet.bytes, static_cast<int>(packet.fds.size()),
                                  static_cast<int>(packet.fds.size()));
    if (reply.ok() && reply->type == static_cast<uint16_t>(init_protocol::ReplyType::kFailed)) {
      return absl::OkStatus();
    }
    return absl::UnavailableError(
        "the sandbox's PID 1 answered too late: the command had begun and was killed");
  }

  static absl::Status Unknown(absl::string_view why) {
    return absl::UnavailableError(
        absl::StrCat("the sandbox's PID 1 doesn't answer, and whether the command was started "
                     "can't be known: ",
                     why));
  }

  const std::shared_ptr<InitHealth> health_;
  const FallbackOptions options_;
};

}  // namespace

bool InitHealth::ShouldAsk() {
  absl::MutexLock lock(&mutex_);
  if (!silent_) return true;
  if (question_.valid() && !Answered(question_.get())) return false;
  silent_ = !question_.valid() || !ReceivePacket(question_.get()).ok();
  question_.reset();
  if (silent_) PutQuestion();
  return !silent_;
}

bool InitHealth::OnSilence() {
  absl::MutexLock lock(&mutex_);
  if (silent_) return false;
  silent_ = true;
  PutQuestion();
  return true;
}

void InitHealth::PutQuestion() {
  // Connecting doesn't wait for PID 1 to accept, unless its queue is full.
  absl::StatusOr<UniqueFd> question = ConnectToInit(socket_path_, absl::ZeroDuration());
  if (question.ok() && SendPacket(question->get(), kQuestion, {}).ok()) {
    question_ = *std::move(question);
  }
}

std::unique_ptr<InitClient> MakeFallbackClient(std::shared_ptr<InitHealth> health,
                                               FallbackOptions options) {
  return std::make_unique<FallbackClient>(std::move(health), std::move(options));
}

}  // namespace paddock::nodeagent
