#include "nodeagent/init/socket_client.h"

#include <utility>

#include "common/clock.h"
#include "common/status_macros.h"
#include "nodeagent/init/exec_exchange.h"
#include "nodeagent/init/init_connection.h"

namespace paddock::nodeagent {
namespace {

// A client of one sandbox. Stateless but for the path.
class SocketClient : public InitClient {
 public:
  explicit SocketClient(std::string socket_path) : socket_path_(std::move(socket_path)) {}

  absl::StatusOr<std::unique_ptr<ExecHandle>> Exec(const ExecSpec& spec, int cgroup_procs_fd,
                                                   ExecStreams* streams,
                                                   absl::Duration timeout) override {
    const absl::Duration deadline = Clock::Real()->Monotonic() + timeout;
    PADDOCK_ASSIGN_OR_RETURN(const EncodedExec encoded, EncodeExec(spec, cgroup_procs_fd >= 0));
    PADDOCK_ASSIGN_OR_RETURN(const UniqueFd payload, MakePayload(encoded.payload));
    PADDOCK_ASSIGN_OR_RETURN(UniqueFd connection, ConnectToInit(socket_path_, timeout));
    PADDOCK_RETURN_IF_ERROR(SendExec(connection.get(), encoded, payload.get(), cgroup_procs_fd));
    PADDOCK_RETURN_IF_ERROR(WaitReadable(connection.get(), deadline - Clock::Real()->Monotonic()));
    return ReceiveStarted(spec, /*inherits=*/false, std::move(connection), streams);
  }

 private:
  const std::string socket_path_;
};

}  // namespace

std::unique_ptr<InitClient> MakeInitClient(std::string socket_path) {
  return std::make_unique<SocketClient>(std::move(socket_path));
}

}  // namespace paddock::nodeagent
