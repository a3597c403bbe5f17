#include "nodeagent/egress/socket_gateway_client.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <optional>

#include "absl/strings/str_cat.h"
#include "common/clock.h"
#include "common/status_macros.h"
#include "nodeagent/egress/frame.h"
#include "nodeagent/egress/gateway_json.h"
#include "nodeagent/system/unique_fd.h"

namespace paddock::nodeagent {
namespace {

using nlohmann::json;

absl::Status Unavailable(absl::string_view what, int error) {
  return absl::UnavailableError(
      absl::StrCat("the gateway process doesn't answer: ", what, ": ", strerror(error)));
}

absl::StatusOr<UniqueFd> Connect(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError(absl::StrCat("socket path too long: ", path));
  }
  memcpy(address.sun_path, path.c_str(), path.size() + 1);
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return Unavailable("socket", errno);
  // EAGAIN: its backlog is full.
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) < 0) {
    return Unavailable("connect", errno);
  }
  return fd;
}

absl::Status WaitFor(int fd, short events, absl::Duration deadline) {
  while (true) {
    absl::Duration left = deadline - Clock::Real()->Monotonic();
    if (left <= absl::ZeroDuration()) return Unavailable("waiting", ETIMEDOUT);
    pollfd poller = {fd, events, 0};
    int ready = poll(&poller, 1, static_cast<int>(absl::ToInt64Milliseconds(left)) + 1);
    if (ready > 0) return absl::OkStatus();
    if (ready < 0 && errno != EINTR) return Unavailable("waiting", errno);
  }
}

absl::Status SendAll(int fd, absl::string_view data, absl::Duration deadline) {
  while (!data.empty()) {
    ssize_t sent = send(fd, data.data(), data.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      data.remove_prefix(sent);
    } else if (errno == EAGAIN) {
      PADDOCK_RETURN_IF_ERROR(WaitFor(fd, POLLOUT, deadline));
    } else if (errno != EINTR) {
      return Unavailable("sending", errno);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReceiveFrame(int fd, absl::Duration deadline) {
  std::string incoming;
  std::vector<char> buffer(64 * 1024);
  while (true) {
    PADDOCK_RETURN_IF_ERROR(WaitFor(fd, POLLIN, deadline));
    ssize_t size = recv(fd, buffer.data(), buffer.size(), 0);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (size <= 0) return Unavailable("receiving", size == 0 ? ECONNRESET : errno);
    incoming.append(buffer.data(), size);
    PADDOCK_ASSIGN_OR_RETURN(std::optional<std::string> frame, TakeFrame(&incoming));
    if (frame) return *std::move(frame);
  }
}

}  // namespace

absl::StatusOr<json> SocketGatewayClient::Call(const json& request) {
  absl::Duration deadline = Clock::Real()->Monotonic() + timeout_;
  PADDOCK_ASSIGN_OR_RETURN(UniqueFd fd, Connect(socket_path_));
  PADDOCK_RETURN_IF_ERROR(SendAll(fd.get(), EncodeFrame(request.dump()), deadline));
  PADDOCK_ASSIGN_OR_RETURN(std::string text, ReceiveFrame(fd.get(), deadline));
  PADDOCK_ASSIGN_OR_RETURN(json answer, ParseJsonObject(text));
  PADDOCK_ASSIGN_OR_RETURN(int64_t code, IntField(answer, "code"));
  PADDOCK_ASSIGN_OR_RETURN(std::string message, StringField(answer, "message"));
  if (code != 0) return absl::Status(static_cast<absl::StatusCode>(code), message);
  return answer;
}

absl::Status SocketGatewayClient::PutSession(const GatewaySession& session) {
  return Call({{"operation", "put"}, {"session", ToJson(session)}}).status();
}

absl::Status SocketGatewayClient::RemoveSession(const std::string& session_id) {
  return Call({{"operation", "remove"}, {"session_id", session_id}}).status();
}

absl::StatusOr<std::vector<GatewaySession>> SocketGatewayClient::ListSessions() {
  PADDOCK_ASSIGN_OR_RETURN(json answer, Call({{"operation", "list"}}));
  std::vector<GatewaySession> sessions;
  for (const json& item : answer["sessions"]) {
    PADDOCK_ASSIGN_OR_RETURN(GatewaySession session, SessionFromJson(item));
    sessions.push_back(std::move(session));
  }
  return sessions;
}

absl::Status SocketGatewayClient::RenewFence(absl::Duration sent_at, absl::Duration fence_after) {
  return Call({{"operation", "renew_fence"},
               {"sent_at_ns", absl::ToInt64Nanoseconds(sent_at)},
               {"fence_after_ns", absl::ToInt64Nanoseconds(fence_after)}})
      .status();
}

absl::StatusOr<std::vector<std::string>> SocketGatewayClient::ListFenced() {
  PADDOCK_ASSIGN_OR_RETURN(json answer, Call({{"operation", "list_fenced"}}));
  return StringsField(answer, "session_ids");
}

absl::StatusOr<GatewayStats> SocketGatewayClient::Stats() {
  PADDOCK_ASSIGN_OR_RETURN(json answer, Call({{"operation", "stats"}}));
  return StatsFromJson(answer["stats"]);
}

absl::StatusOr<EgressPage> SocketGatewayClient::ListEgress(const std::string& session_id,
                                                           int64_t after_sequence, int limit) {
  PADDOCK_ASSIGN_OR_RETURN(json answer, Call({{"operation", "list_egress"},
                                              {"session_id", session_id},
                                              {"after_sequence", after_sequence},
                                              {"limit", limit}}));
  return PageFromJson(answer);
}

absl::StatusOr<SocketGatewayClient::Identity> SocketGatewayClient::Ping() {
  PADDOCK_ASSIGN_OR_RETURN(json answer, Call({{"operation", "ping"}}));
  Identity identity;
  PADDOCK_ASSIGN_OR_RETURN(identity.instance, StringField(answer, "instance"));
  PADDOCK_ASSIGN_OR_RETURN(identity.subnet, StringField(answer, "subnet"));
  PADDOCK_ASSIGN_OR_RETURN(identity.pid, IntField(answer, "pid"));
  // A gateway process that is older than the agent doesn't tell it here.
  identity.operator_problem = StringField(answer, "operator_problem").value_or("");
  return identity;
}

absl::Status SocketGatewayClient::Configure(const std::vector<std::string>& blocked) {
  return Call({{"operation", "configure"}, {"blocked", blocked}}).status();
}

}  // namespace paddock::nodeagent
