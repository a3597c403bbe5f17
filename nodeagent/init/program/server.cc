#include "nodeagent/init/program/server.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "nodeagent/init/program/foreground.h"
#include "nodeagent/init/program/receive.h"
#include "nodeagent/init/program/reply.h"

namespace paddock::nodeagent::program {
namespace {

using init_protocol::kMaxCommands;
using init_protocol::Reply;
using init_protocol::ReplyType;
using init_protocol::Request;
using init_protocol::RequestType;
using init_protocol::Step;

constexpr int kReapedAtOnce = 64;
constexpr int kRetryMs = 50;

// Exists only so that the end of a child interrupts ppoll.
void OnChild(int) {}

Reply ExitReply(int status) {
  Reply reply = NewReply(ReplyType::kExited);
  if (WIFSIGNALED(status)) {
    reply.signal = WTERMSIG(status);
  } else {
    reply.code = WEXITSTATUS(status);
  }
  return reply;
}

bool IsExec(const Request& header) {
  return header.type == static_cast<uint16_t>(RequestType::kExec) && header.payload_bytes > 0 &&
         header.payload_bytes <= init_protocol::kMaxPayloadBytes;
}

}  // namespace

void Server::Run(int listener, const ProgramContext& context) {
  Prepare(listener, context);
  for (;;) RunOnce();
}

bool Server::RunOne(int connection, const ProgramContext& context) {
  Prepare(-1, context);
  slots_[0].state = State::kWaiting;
  polled_[1] = {connection, POLLIN, 0};
  used_ = 1;
  while (used_ > 0) RunOnce();
  return !abandoned_;
}

void Server::Prepare(int listener, const ProgramContext& context) {
  listener_ = listener;
  context_ = &context;
  struct sigaction action = {};
  action.sa_handler = OnChild;
  sigaction(SIGCHLD, &action, nullptr);
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  sigprocmask(SIG_SETMASK, &child, nullptr);
}

void Server::RunOnce() {
  bool more = Reap();
  RetryExits();
  if (used_ == 0 && listener_ < 0) return;
  bool retry = unsent_ > 0 || accept_paused_;
  Wait(more ? 0 : retry ? kRetryMs : -1);
}

void Server::Wait(int timeout_ms) {
  polled_[0] = {accept_paused_ ? -1 : listener_, POLLIN, 0};
  accept_paused_ = false;
  sigset_t none;
  sigemptyset(&none);
  struct timespec timeout = {timeout_ms / 1000, timeout_ms % 1000 * 1000000L};
  int ready =
      ppoll(polled_, static_cast<nfds_t>(used_) + 1, timeout_ms < 0 ? nullptr : &timeout, &none);
  if (ready < 0 && errno != EINTR) {
    // No memory for the table: not for long.
    struct timespec pause = {0, 10 * 1000000L};
    nanosleep(&pause, nullptr);
  }
  if (ready <= 0) return;
  for (int i = 0; i < used_; ++i) {
    if (Connection(i) >= 0 && polled_[i + 1].revents != 0) Serve(i);
  }
  if (polled_[0].fd >= 0 && polled_[0].revents != 0) Accept();
}

bool Server::Reap() {
  for (int reaped = 0; reaped < kReapedAtOnce; ++reaped) {
    int status = 0;
    pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid <= 0) return false;
    for (int i = 0; i < used_; ++i) {
      if (slots_[i].state != State::kRunning || slots_[i].pid != pid) continue;
      slots_[i].state = State::kExitUnsent;
      slots_[i].exit = ExitReply(status);
      ++unsent_;
      SendExit(i);
      break;
    }
  }
  return true;
}

void Server::Accept() {
  int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) {
    accept_paused_ = errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS;
    return;
  }
  int index = 0;
  while (index < used_ && slots_[index].state != State::kFree) ++index;
  if (index == kMaxCommands) {
    SendReply(fd, FailedReply(Step::kTooMany, EAGAIN));
    close(fd);
    return;
  }
  if (index == used_) ++used_;
  slots_[index] = {};
  slots_[index].state = State::kWaiting;
  polled_[index + 1] = {fd, POLLIN, 0};
  // A client connects and asks in one go, so the request is mostly there already.
  Serve(index);
}

void Server::Serve(int index) {
  CommandRequest request = {};
  Received received = ReceiveRequest(Connection(index), &request);
  Slot& slot = slots_[index];
  switch (received) {
    case Received::kNothing:
      return;
    case Received::kGone:
      abandoned_ = abandoned_ || slot.state == State::kRunning;
      Forget(index);
      return;
    case Received::kMalformed:
      Refuse(index, Step::kRequest, EBADMSG);
      return;
    case Received::kNoDescriptors:
      Refuse(index, Step::kRequest, EMFILE);
      return;
    case Received::kRequest:
      break;
  }
  if (slot.state == State::kWaiting && IsExec(request.header)) {
    Start(index, &request);
  } else if (slot.state == State::kRunning &&
             request.header.type == static_cast<uint16_t>(RequestType::kSignal)) {
    Signal(slot, request.header.signal);
  } else if (slot.state != State::kExitUnsent) {
    Refuse(index, Step::kRequest, EBADMSG);
  }
  if (request.payload_fd >= 0) close(request.payload_fd);
  if (request.cgroup_fd >= 0) close(request.cgroup_fd);
}

void Server::Start(int index, CommandRequest* request) {
  // A fork and not a vfork: a sandboxed process may stop the child with SIGSTOP at any instruction,
  // and it may block on hostile files; neither must hold PID 1.
  request->connection_fd = Connection(index);
  pid_t pid = fork();
  if (pid == 0) RunCommand(*context_, *request);
  if (pid < 0) {
    Refuse(index, Step::kFork, errno);
    return;
  }
  Slot& slot = slots_[index];
  slot.state = State::kRunning;
  slot.pid = pid;
  slot.terminal = (request->header.flags & init_protocol::kFlagTerminal) != 0;
}

void Server::Signal(const Slot& slot, int signal) {
  if (signal < 1 || signal >= NSIG) return;
  // Not reaped yet, so its number, and that of the group that it leads, is still its own.
  pid_t group = slot.terminal ? ForegroundGroup(slot.pid) : -1;
  kill(group > 1 ? -group : -slot.pid, signal);
}

void Server::Refuse(int index, Step step, int error) {
  SendReply(Connection(index), FailedReply(step, error));
  Forget(index);
}

void Server::SendExit(int index) {
  int error = SendReply(Connection(index), slots_[index].exit);
  if (error == EAGAIN || error == ENOMEM || error == ENOBUFS) {
    polled_[index + 1].events = 0;  // Only its end matters any more.
    return;
  }
  Forget(index);
}

void Server::RetryExits() {
  for (int i = 0; unsent_ > 0 && i < used_; ++i) {
    if (slots_[i].state == State::kExitUnsent) SendExit(i);
  }
}

void Server::Forget(int index) {
  if (slots_[index].state == State::kExitUnsent) --unsent_;
  close(Connection(index));
  Connection(index) = -1;
  slots_[index].state = State::kFree;
  while (used_ > 0 && slots_[used_ - 1].state == State::kFree) --used_;
}

}  // namespace paddock::nodeagent::program
