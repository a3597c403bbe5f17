#include "nodeagent/net/pair_maker_client.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "absl/strings/str_cat.h"
#include "common/log.h"
#include "common/status_macros.h"
#include "nodeagent/net/network_namespace.h"
#include "nodeagent/system/errno_status.h"
#include "nodeagent/system/pidfd.h"

namespace paddock::nodeagent {
namespace {

constexpr int kAnswerTimeoutSeconds = 30;
constexpr int kSocketFd = 3;
constexpr int kRouterFd = 4;

}  // namespace

PairMakerClient::~PairMakerClient() {
  absl::MutexLock lock(&mutex_);
  EndProcess();
}

absl::StatusOr<PairFds> PairMakerClient::Call(const PairRequest& request) {
  absl::MutexLock lock(&mutex_);
  absl::StatusOr<PairFds> fds = CallOnce(request);
  if (!absl::IsUnavailable(fds.status())) return fds;
  LogWarning("pair maker is started again", {{"error", fds.status().ToString()}});
  EndProcess();
  return CallOnce(request);
}

absl::StatusOr<PairFds> PairMakerClient::CallOnce(const PairRequest& request) {
  if (!socket_.valid()) PADDOCK_RETURN_IF_ERROR(StartProcess());
  if (send(socket_.get(), &request, sizeof(request), MSG_NOSIGNAL) < 0) {
    return absl::UnavailableError("the pair maker takes no requests");
  }
  return ReceiveAnswer(socket_.get());
}

absl::Status PairMakerClient::StartProcess() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
    return ErrnoStatus("making the pair maker's socket");
  }
  UniqueFd ours(ends[0]);
  UniqueFd theirs(ends[1]);
  timeval limit = {kAnswerTimeoutSeconds, 0};
  setsockopt(ours.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  setsockopt(ours.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
  PADDOCK_ASSIGN_OR_RETURN(UniqueFd router, OpenPinnedNamespace(router_netns_));
  SpawnSpec spec;
  spec.argv = {binary_, "pair-maker", absl::StrCat(kSocketFd), absl::StrCat(kRouterFd), gateway_};
  spec.fds = {{theirs.get(), kSocketFd}, {router.get(), kRouterFd}, {2, 2}};
  PADDOCK_ASSIGN_OR_RETURN(process_, Spawn(spec));
  socket_ = std::move(ours);
  return absl::OkStatus();
}

void PairMakerClient::EndProcess() {
  socket_.reset();
  if (!process_.pidfd.valid()) return;
  PidfdKill(process_.pidfd.get(), SIGKILL).IgnoreError();
  WaitForExit(process_.pidfd.get(), absl::Seconds(10)).IgnoreError();
  process_ = {};
}

}  // namespace paddock::nodeagent
