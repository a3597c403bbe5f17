#include "nodeagent/session/lingering_outputs.h"

#include <utility>

#include "nodeagent/system/pipe_io.h"

namespace paddock::nodeagent {
namespace {

// False: everybody who held it is gone.
bool EmptyPipe(int fd) {
  std::string data;
  for (size_t total = 0; total < LingeringOutputs::kBytesPerInterval; total += data.size()) {
    switch (ReadSome(fd, 64 * 1024, &data)) {
      case IoResult::kDone:
        break;
      case IoResult::kWouldBlock:
        return true;
      case IoResult::kClosed:
        return false;
    }
  }
  return true;
}

}  // namespace

LingeringOutputs::LingeringOutputs(PollLoop* loop) : loop_(loop) {}

LingeringOutputs::~LingeringOutputs() {
  absl::MutexLock lock(&state_->mutex);
  state_->ended = true;
  state_->outputs.clear();
}

void LingeringOutputs::Add(const std::string& session_id, ExecStreams streams) {
  absl::MutexLock lock(&state_->mutex);
  std::list<UniqueFd>& outputs = state_->outputs[session_id];
  for (UniqueFd* fd : {&streams.stdout_read, &streams.stderr_read, &streams.terminal}) {
    if (fd->valid()) outputs.push_back(std::move(*fd));
  }
  while (outputs.size() > kMaxPerSession) outputs.pop_front();
  if (outputs.empty()) {
    state_->outputs.erase(session_id);
  } else {
    Schedule(loop_, state_);
  }
}

void LingeringOutputs::Drop(const std::string& session_id) {
  absl::MutexLock lock(&state_->mutex);
  state_->outputs.erase(session_id);
}

void LingeringOutputs::Schedule(PollLoop* loop, const std::shared_ptr<State>& state) {
  if (state->scheduled || state->ended) return;
  state->scheduled = true;
  loop->CallAfter(kInterval, [loop, state] { Empty(loop, state); });
}

void LingeringOutputs::Empty(PollLoop* loop, const std::shared_ptr<State>& state) {
  absl::MutexLock lock(&state->mutex);
  state->scheduled = false;
  for (auto it = state->outputs.begin(); it != state->outputs.end();) {
    it->second.remove_if([](const UniqueFd& fd) { return !EmptyPipe(fd.get()); });
    if (it->second.empty()) {
      state->outputs.erase(it++);
    } else {
      ++it;
    }
  }
  if (!state->outputs.empty()) Schedule(loop, state);
}

}  // namespace paddock::nodeagent
