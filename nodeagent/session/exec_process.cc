#include "nodeagent/session/exec_process.h"

#include <sys/epoll.h>

#include <algorithm>
#include <utility>

#include "common/status_macros.h"
#include "nodeagent/system/pipe_io.h"

namespace paddock::nodeagent {
namespace {

// What a terminal's line discipline takes for the end of the input.
constexpr char kEndOfFileCharacter = 4;

}  // namespace

ExecProcess::ExecProcess(PollLoop* loop, std::string exec_id,
                         std::shared_ptr<ExecListener> listener, EndHandler on_end)
    : loop_(loop),
      exec_id_(std::move(exec_id)),
      listener_(std::move(listener)),
      on_end_(std::move(on_end)) {}

ExecProcess::~ExecProcess() {
  absl::MutexLock lock(&mutex_);
  for (Channel* channel : {&stdout_, &stderr_, &stdin_, &exit_watch_}) Close(channel);
}

absl::Status ExecProcess::Watch(Channel* channel, int fd, void (ExecProcess::*on_ready)()) {
  PADDOCK_ASSIGN_OR_RETURN(channel->token,
                           loop_->Add(fd, [weak = weak_from_this(), on_ready](uint32_t) {
                             if (auto self = weak.lock()) (self.get()->*on_ready)();
                           }));
  channel->fd = fd;
  channel->open = true;
  return absl::OkStatus();
}

absl::Status ExecProcess::WatchAll() {
  PADDOCK_RETURN_IF_ERROR(Watch(&exit_watch_, handle_->exit_fd(), &ExecProcess::OnExitReady));
  if (streams_.terminal.valid()) {
    PADDOCK_RETURN_IF_ERROR(Watch(&stdout_, streams_.terminal.get(), &ExecProcess::OnOutputReady));
    PADDOCK_ASSIGN_OR_RETURN(terminal_input_, DuplicateFd(streams_.terminal.get()));
    return Watch(&stdin_, terminal_input_.get(), &ExecProcess::OnStdinReady);
  }
  PADDOCK_RETURN_IF_ERROR(Watch(&stdout_, streams_.stdout_read.get(), &ExecProcess::OnOutputReady));
  PADDOCK_RETURN_IF_ERROR(Watch(&stderr_, streams_.stderr_read.get(), &ExecProcess::OnOutputReady));
  return Watch(&stdin_, streams_.stdin_write.get(), &ExecProcess::OnStdinReady);
}

void ExecProcess::Close(Channel* channel) {
  if (channel->token != 0) loop_->Remove(channel->token);
  channel->token = 0;
  channel->open = false;
}

bool ExecProcess::Attach(std::unique_ptr<ExecHandle> handle, ExecStreams streams) {
  mutex_.Lock();
  if (state_ != State::kStarting) {
    mutex_.Unlock();
    return false;
  }
  state_ = State::kRunning;
  handle_ = std::move(handle);
  streams_ = std::move(streams);
  calls_.push_back([this, pid = handle_->pid()] { listener_->OnStarted(pid, exec_id_); });
  if (absl::Status status = WatchAll(); !status.ok()) {
    Finish(/*exited=*/false, status);
  } else {
    loop_->Arm(exit_watch_.token, EPOLLIN);
    PumpStdin();
    PumpOutput();
  }
  DeliverAndUnlock();
  return true;
}

void ExecProcess::FailStart(const absl::Status& status) {
  mutex_.Lock();
  if (state_ == State::kStarting) Finish(/*exited=*/false, status);
  DeliverAndUnlock();
}

void ExecProcess::Cancel(const absl::Status& status) {
  mutex_.Lock();
  if (state_ != State::kEnded) Finish(/*exited=*/false, status);
  DeliverAndUnlock();
}

void ExecProcess::ReadyForOutput() {
  mutex_.Lock();
  output_taken_ = true;
  PumpOutput();
  DeliverAndUnlock();
}

void ExecProcess::OnOutputReady() {
  mutex_.Lock();
  PumpOutput();
  DeliverAndUnlock();
}

void ExecProcess::OnStdinReady() {
  mutex_.Lock();
  PumpStdin();
  DeliverAndUnlock();
}

void ExecProcess::OnExitReady() {
  mutex_.Lock();
  if (state_ == State::kRunning && !has_exit_) {
    absl::StatusOr<ExecExit> exit = handle_->TakeExit();
    Close(&exit_watch_);
    if (exit.ok()) {
      has_exit_ = true;
      exit_ = *exit;
      DropStdin();
      for (Channel* channel : {&stdout_, &stderr_}) {
        if (channel->open) channel->owed = ReadableBytes(channel->fd);
      }
      PumpOutput();
      StartGrace();
    } else {
      Finish(/*exited=*/false, exit.status());
    }
  }
  DeliverAndUnlock();
}

void ExecProcess::StartGrace() {
  if (state_ != State::kRunning) return;
  grace_timer_ = loop_->CallAfter(kOutputGrace, [weak = weak_from_this()] {
    if (auto self = weak.lock()) self->OnGraceOver();
  });
}

void ExecProcess::OnGraceOver() {
  mutex_.Lock();
  grace_over_ = true;
  PumpOutput();
  DeliverAndUnlock();
}

bool ExecProcess::WantsMore(const Channel& channel) const {
  return channel.open && (!has_exit_ || channel.owed > 0 || !grace_over_);
}

bool ExecProcess::ReadChannel(Channel* channel, OutputStream stream) {
  if (!WantsMore(*channel)) return false;
  std::string data;
  switch (ReadSome(channel->fd, kChunkBytes, &data)) {
    case IoResult::kDone:
      channel->owed -= std::min(channel->owed, data.size());
      output_taken_ = false;
      calls_.push_back([this, stream, data = std::move(data)]() mutable {
        listener_->OnOutput(stream, std::move(data));
      });
      return true;
    case IoResult::kWouldBlock:
      // The sandbox may have read back what was owed.
      channel->owed = 0;
      if (WantsMore(*channel)) loop_->Arm(channel->token, EPOLLIN);
      return false;
    case IoResult::kClosed:
      Close(channel);
      return false;
  }
  return false;
}

void ExecProcess::PumpOutput() {
  if (state_ != State::kRunning || !output_taken_) return;
  // In turns, so that one stream can't hide the other.
  for (int i = 0; i < 2; ++i) {
    const bool from_stderr = stderr_next_;
    stderr_next_ = !stderr_next_;
    if (from_stderr ? ReadChannel(&stderr_, OutputStream::kStderr)
                    : ReadChannel(&stdout_, OutputStream::kStdout)) {
      return;
    }
  }
  if (has_exit_ && !WantsMore(stdout_) && !WantsMore(stderr_)) {
    Finish(/*exited=*/true, absl::OkStatus());
  }
}

void ExecProcess::WriteStdin(std::string data) {
  mutex_.Lock();
  if (state_ != State::kEnded) {
    if (!stdin_ending_ && !data.empty()) {
      stdin_queued_ += data.size();
      stdin_queue_.push_back(std::move(data));
    }
    stdin_paused_ = true;
    PumpStdin();
  }
  DeliverAndUnlock();
}

void ExecProcess::CloseStdin() {
  mutex_.Lock();
  if (state_ != State::kEnded && !stdin_ending_) {
    stdin_ending_ = true;
    if (streams_.terminal.valid()) {
      stdin_queue_.emplace_back(1, kEndOfFileCharacter);
      ++stdin_queued_;
    }
    PumpStdin();
  }
  DeliverAndUnlock();
}

void ExecProcess::PumpStdin() {
  if (state_ != State::kRunning) return;
  while (stdin_.open && !stdin_queue_.empty()) {
    const std::string& front = stdin_queue_.front();
    size_t written = 0;
    const IoResult result =
        WriteSome(stdin_.fd, absl::string_view(front).substr(stdin_offset_), &written);
    stdin_offset_ += written;
    if (result == IoResult::kClosed) {
      DropStdin();
    } else if (result == IoResult::kWouldBlock) {
      loop_->Arm(stdin_.token, EPOLLOUT);
      break;
    } else {
      stdin_queued_ -= front.size();
      stdin_queue_.pop_front();
      stdin_offset_ = 0;
    }
  }
  if (!stdin_.open) {
    stdin_queue_.clear();
    stdin_queued_ = 0;
  }
  if (stdin_ending_ && stdin_queue_.empty() && !streams_.terminal.valid()) DropStdin();
  if (stdin_paused_ && stdin_queued_ < kMaxQueuedStdin) {
    stdin_paused_ = false;
    calls_.push_back([this] { listener_->OnReadyForStdin(); });
  }
}

void ExecProcess::DropStdin() {
  Close(&stdin_);
  streams_.stdin_write.reset();
  terminal_input_.reset();
  stdin_queue_.clear();
  stdin_queued_ = 0;
  stdin_offset_ = 0;
}

absl::Status ExecProcess::Resize(int rows, int cols) {
  absl::MutexLock lock(&mutex_);
  return state_ == State::kRunning ? handle_->Resize(rows, cols) : absl::OkStatus();
}

absl::Status ExecProcess::Signal(int signal) {
  absl::MutexLock lock(&mutex_);
  return state_ == State::kRunning && !has_exit_ ? handle_->Signal(signal) : absl::OkStatus();
}

void ExecProcess::Finish(bool exited, const absl::Status& status) {
  state_ = State::kEnded;
  if (grace_timer_ != 0) loop_->CancelTimer(grace_timer_);
  End end;
  end.exited = exited;
  end.exit = exit_;
  if (!stdout_.open) streams_.stdout_read.reset();
  if (!stderr_.open) streams_.stderr_read.reset();
  if (!stdout_.open) streams_.terminal.reset();
  for (Channel* channel : {&stdout_, &stderr_, &exit_watch_}) Close(channel);
  DropStdin();
  end.streams = std::move(streams_);
  // Closes the connection: for some sandboxes that alone says that the command is to be killed.
  handle_.reset();
  // Both are called last; keeping this alive is the owner's matter until then.
  auto shared = std::make_shared<End>(std::move(end));
  calls_.push_back([self = shared_from_this(), handler = std::move(on_end_), shared, status] {
    const bool ok = shared->exited;
    const ExecExit exit = shared->exit;
    handler(std::move(*shared), [self, ok, exit, status] {
      if (ok) {
        self->listener_->OnExited(exit);
      } else {
        self->listener_->OnFailed(status);
      }
    });
  });
}

void ExecProcess::DeliverAndUnlock() {
  if (delivering_) {
    mutex_.Unlock();
    return;
  }
  // A call may drop the last owner.
  const std::shared_ptr<ExecProcess> self = shared_from_this();
  delivering_ = true;
  while (!calls_.empty()) {
    Call call = std::move(calls_.front());
    calls_.pop_front();
    mutex_.Unlock();
    call();
    call = nullptr;
    mutex_.Lock();
  }
  delivering_ = false;
  mutex_.Unlock();
}

}  // namespace paddock::nodeagent
