#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "nodeagent/init/init_client.h"
#include "nodeagent/session/exec_listener.h"
#include "nodeagent/system/poll_loop.h"

namespace paddock::nodeagent {

// One command and the pump between its pipes and a listener. It holds at most one chunk of output
// and kMaxQueuedStdin bytes of input, whatever either side does. Thread-safe.
//
// The end: when the command has exited, what is in its pipes by then is delivered to the last byte.
// Processes that it left behind and that still hold a pipe get kOutputGrace to say something; then
// the listener hears of the exit, and their output is somebody else's (`on_end`).
class ExecProcess : public std::enable_shared_from_this<ExecProcess> {
 public:
  static constexpr size_t kChunkBytes = 64 * 1024;
  static constexpr size_t kMaxQueuedStdin = 256 * 1024;
  static constexpr absl::Duration kOutputGrace = absl::Milliseconds(250);

  // How it ended, for the owner, before the listener hears of it.
  struct End {
    bool exited = false;  // Else it failed, was cancelled or timed out: its tree is to be killed.
    ExecExit exit;
    ExecStreams streams;  // What is still open, with processes behind it.
  };
  // `then` tells the listener; call it once, from any thread.
  using EndHandler = std::function<void(End end, std::function<void()> then)>;

  ExecProcess(PollLoop* loop, std::string exec_id, std::shared_ptr<ExecListener> listener,
              EndHandler on_end);
  ~ExecProcess();

  const std::string& exec_id() const { return exec_id_; }

  // Takes over a started command. False when it was cancelled before: the caller kills it.
  bool Attach(std::unique_ptr<ExecHandle> handle, ExecStreams streams);
  // The command couldn't be started.
  void FailStart(const absl::Status& status);

  // Called by the listener's side.
  void ReadyForOutput();
  // OnReadyForStdin follows when more may come. Dropped once the command has closed its input.
  void WriteStdin(std::string data);
  // After what was written before it. On a terminal: the end-of-file character.
  void CloseStdin();
  absl::Status Resize(int rows, int cols);
  absl::Status Signal(int signal);
  // Ends the exec with `status`; the command's tree is killed. Nothing if it has ended.
  void Cancel(const absl::Status& status);

 private:
  enum class State { kStarting, kRunning, kEnded };
  // One direction of a pipe, or of the terminal.
  struct Channel {
    int fd = -1;
    uint64_t token = 0;
    bool open = false;
    size_t owed = 0;  // After the exit: bytes that are the command's own for certain.
  };
  using Call = std::function<void()>;

  absl::Status Watch(Channel* channel, int fd, void (ExecProcess::*on_ready)())
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status WatchAll() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Close(Channel* channel) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnOutputReady();
  void OnStdinReady();
  void OnExitReady();
  void OnGraceOver();
  // Reads one chunk for the listener, or arms for it, or finishes.
  void PumpOutput() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // True when a chunk was read.
  bool ReadChannel(Channel* channel, OutputStream stream) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool WantsMore(const Channel& channel) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void PumpStdin() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DropStdin() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void StartGrace() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Finish(bool exited, const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Makes the calls that wait, in order, with the lock released; one thread at a time does.
  void DeliverAndUnlock() ABSL_UNLOCK_FUNCTION(mutex_);

  PollLoop* const loop_;
  const std::string exec_id_;
  const std::shared_ptr<ExecListener> listener_;

  absl::Mutex mutex_;
  EndHandler on_end_ ABSL_GUARDED_BY(mutex_);
  std::deque<Call> calls_ ABSL_GUARDED_BY(mutex_);
  bool delivering_ ABSL_GUARDED_BY(mutex_) = false;
  State state_ ABSL_GUARDED_BY(mutex_) = State::kStarting;
  std::unique_ptr<ExecHandle> handle_ ABSL_GUARDED_BY(mutex_);
  ExecStreams streams_ ABSL_GUARDED_BY(mutex_);
  Channel stdout_ ABSL_GUARDED_BY(mutex_);
  Channel stderr_ ABSL_GUARDED_BY(mutex_);
  Channel stdin_ ABSL_GUARDED_BY(mutex_);
  Channel exit_watch_ ABSL_GUARDED_BY(mutex_);
  UniqueFd terminal_input_ ABSL_GUARDED_BY(mutex_);   // A copy: epoll takes a descriptor once.
  bool output_taken_ ABSL_GUARDED_BY(mutex_) = true;  // The listener is ready for more.
  bool stderr_next_ ABSL_GUARDED_BY(mutex_) = false;
  bool has_exit_ ABSL_GUARDED_BY(mutex_) = false;
  bool grace_over_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t grace_timer_ ABSL_GUARDED_BY(mutex_) = 0;
  ExecExit exit_ ABSL_GUARDED_BY(mutex_);
  std::deque<std::string> stdin_queue_ ABSL_GUARDED_BY(mutex_);
  size_t stdin_queued_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t stdin_offset_ ABSL_GUARDED_BY(mutex_) = 0;  // Written of the first in the queue.
  bool stdin_ending_ ABSL_GUARDED_BY(mutex_) = false;
  bool stdin_paused_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace paddock::nodeagent
