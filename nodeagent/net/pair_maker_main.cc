#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdio>
#include <memory>

#include "absl/strings/numbers.h"
#include "common/log.h"
#include "nodeagent/net/ipv4.h"
#include "nodeagent/net/namespace_pool_factory.h"
#include "nodeagent/net/pair_maker.h"
#include "nodeagent/net/route_requests.h"

namespace paddock::nodeagent {
namespace {

constexpr int kDefaultMtu = 1500;

int HostMtu() {
  absl::StatusOr<NetlinkSocket> socket = NetlinkSocket::Open(NETLINK_ROUTE);
  if (!socket.ok()) return kDefaultMtu;
  return DefaultRouteMtu(*socket).value_or(kDefaultMtu);
}

absl::Status Serve(PairMaker& maker, int socket, const PairRequest& request) {
  switch (request.operation) {
    case PairOperation::kMake: {
      absl::StatusOr<PairFds> fds = maker.Make(request);
      return fds.ok() ? SendAnswer(socket, absl::OkStatus(), *fds)
                      : SendAnswer(socket, fds.status(), {});
    }
    case PairOperation::kRemove:
      return SendAnswer(socket, maker.Remove(request), {});
  }
  return absl::InvalidArgumentError("unknown operation");
}

// Until the pool closes its end.
void ServeAll(PairMaker& maker, int socket) {
  auto request = std::make_unique<PairRequest>();
  while (true) {
    ssize_t size = recv(socket, request.get(), sizeof(*request), 0);
    if (size < 0 && errno == EINTR) continue;
    if (size != sizeof(*request)) return;
    request->veth[sizeof(request->veth) - 1] = '\0';
    absl::Status sent = Serve(maker, socket, *request);
    if (!sent.ok()) LogWarning("pair maker can't answer", {{"error", sent.ToString()}});
  }
}

}  // namespace

int PairMakerMain(int argc, char** argv) {
  int socket = -1;
  int router = -1;
  if (argc != 4 || !absl::SimpleAtoi(argv[1], &socket) || !absl::SimpleAtoi(argv[2], &router)) {
    fprintf(stderr, "usage: pair-maker SOCKET_FD ROUTER_NETNS_FD GATEWAY (run by the agent)\n");
    return 2;
  }
  absl::StatusOr<uint32_t> gateway = ParseIpv4(argv[3]);
  if (!gateway.ok()) return 2;
  prctl(PR_SET_NAME, "pair-maker");
  signal(SIGCHLD, SIG_IGN);
  absl::StatusOr<PairMaker> maker = PairMaker::Create({UniqueFd(router), *gateway, HostMtu()});
  if (!maker.ok()) {
    LogError("pair maker can't start", {{"error", maker.status().ToString()}});
    return 1;
  }
  ServeAll(*maker, socket);
  return 0;
}

}  // namespace paddock::nodeagent
