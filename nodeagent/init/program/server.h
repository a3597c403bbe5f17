#pragma once

#include <poll.h>
#include <sys/types.h>

#include "nodeagent/init/program/command.h"
#include "nodeagent/init/protocol.h"

namespace paddock::nodeagent::program {

// PID 1 of a sandbox: starts commands on request, signals them, reports how they end, and reaps
// whatever else was left to it. One thread, no allocation, fixed tables; nothing that a sandboxed
// process does can block it (what could, happens in the forked child). ppoll and no epoll or
// signalfd, because those come out of per-user limits that the sandbox can exhaust.
class Server {
 public:
  // `listener` is the inherited socket. `context` must outlive the server.
  [[noreturn]] void Run(int listener, const ProgramContext& context);
  // Serves one connection that is there already, until it is over. False: the agent closed it while
  // its command ran.
  bool RunOne(int connection, const ProgramContext& context);

 private:
  enum class State {
    kFree,
    kWaiting,     // connected, nothing asked yet
    kRunning,     // `pid` is the command's and not yet reaped
    kExitUnsent,  // ended, but its report hasn't fitted into the socket yet
  };
  struct Slot {
    State state;
    bool terminal;
    pid_t pid;
    init_protocol::Reply exit;
  };

  void Prepare(int listener, const ProgramContext& context);
  void RunOnce();
  // Waits for a connection, a request or the end of a child; at most `timeout_ms` (-1: for ever).
  void Wait(int timeout_ms);
  // Reaps a bounded number of children; true when there may be more.
  bool Reap();
  void Accept();
  void Serve(int index);
  void Start(int index, CommandRequest* request);
  void Signal(const Slot& slot, int signal);
  // Tells the agent how a command failed and ends the connection.
  void Refuse(int index, init_protocol::Step step, int error);
  void SendExit(int index);
  void RetryExits();
  void Forget(int index);

  int& Connection(int index) { return polled_[index + 1].fd; }

  const ProgramContext* context_ = nullptr;
  int listener_ = -1;
  bool accept_paused_ = false;  // No descriptor or memory for a new connection: wait a little.
  int unsent_ = 0;              // slots in kExitUnsent
  int used_ = 0;                // slots from here on were never used
  bool abandoned_ = false;      // the agent closed a connection whose command ran
  Slot slots_[init_protocol::kMaxCommands];
  // The listener, then the connection of each slot (-1: none).
  struct pollfd polled_[init_protocol::kMaxCommands + 1];
};

}  // namespace paddock::nodeagent::program
