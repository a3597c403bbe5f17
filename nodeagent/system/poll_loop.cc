#include "nodeagent/system/poll_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "common/clock.h"
#include "nodeagent/system/errno_status.h"

namespace paddock::nodeagent {
namespace {

constexpr uint64_t kWakeToken = 0;

}  // namespace

absl::StatusOr<std::unique_ptr<PollLoop>> PollLoop::Create(int threads) {
  UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid()) return ErrnoStatus("epoll_create1");
  UniqueFd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake.valid()) return ErrnoStatus("eventfd");
  epoll_event event = {};
  event.events = EPOLLIN;
  event.data.u64 = kWakeToken;
  if (epoll_ctl(epoll.get(), EPOLL_CTL_ADD, wake.get(), &event) != 0) {
    return ErrnoStatus("epoll_ctl");
  }
  return std::unique_ptr<PollLoop>(new PollLoop(std::move(epoll), std::move(wake), threads));
}

PollLoop::PollLoop(UniqueFd epoll, UniqueFd wake, int threads)
    : epoll_(std::move(epoll)), wake_(std::move(wake)) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Run(); });
}

PollLoop::~PollLoop() {
  {
    absl::MutexLock lock(&mutex_);
    stop_ = true;
  }
  // Level-triggered and never drained once stopping: it wakes every thread.
  Wake();
  for (std::thread& thread : threads_) thread.join();
}

absl::StatusOr<uint64_t> PollLoop::Add(int fd, FdCallback callback) {
  absl::MutexLock lock(&mutex_);
  const uint64_t token = next_token_++;
  epoll_event event = {};
  event.events = EPOLLONESHOT;
  event.data.u64 = token;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return ErrnoStatus("epoll_ctl add");
  watches_[token] = Watch{fd, std::make_shared<FdCallback>(std::move(callback))};
  return token;
}

void PollLoop::Arm(uint64_t token, uint32_t events) {
  absl::MutexLock lock(&mutex_);
  const auto it = watches_.find(token);
  if (it == watches_.end()) return;
  epoll_event event = {};
  event.events = events | EPOLLONESHOT;
  event.data.u64 = token;
  // Fails only for a descriptor that was closed before Remove, which is the caller's mistake.
  (void)epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, it->second.fd, &event);
}

void PollLoop::Remove(uint64_t token) {
  absl::MutexLock lock(&mutex_);
  const auto it = watches_.find(token);
  if (it == watches_.end()) return;
  (void)epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, it->second.fd, nullptr);
  watches_.erase(it);
}

uint64_t PollLoop::CallAfter(absl::Duration delay, std::function<void()> callback) {
  uint64_t timer;
  bool first;
  {
    absl::MutexLock lock(&mutex_);
    timer = next_token_++;
    const absl::Duration when = Clock::Real()->Monotonic() + delay;
    const auto it = timers_.emplace(std::make_pair(when, timer), std::move(callback)).first;
    timer_times_[timer] = when;
    first = it == timers_.begin();
  }
  if (first) Wake();
  return timer;
}

void PollLoop::CancelTimer(uint64_t timer) {
  std::function<void()> dropped;
  absl::MutexLock lock(&mutex_);
  const auto it = timer_times_.find(timer);
  if (it == timer_times_.end()) return;
  const auto entry = timers_.find({it->second, timer});
  dropped = std::move(entry->second);
  timers_.erase(entry);
  timer_times_.erase(it);
}

void PollLoop::Wake() {
  const uint64_t one = 1;
  (void)!write(wake_.get(), &one, sizeof(one));
}

int PollLoop::RunTimers() {
  while (true) {
    std::function<void()> due;
    {
      absl::MutexLock lock(&mutex_);
      if (stop_ || timers_.empty()) return -1;
      const auto first = timers_.begin();
      const absl::Duration wait = first->first.first - Clock::Real()->Monotonic();
      if (wait > absl::ZeroDuration()) {
        return static_cast<int>(absl::ToInt64Milliseconds(wait)) + 1;
      }
      due = std::move(first->second);
      timer_times_.erase(first->first.second);
      timers_.erase(first);
    }
    due();
  }
}

void PollLoop::Dispatch(uint64_t token, uint32_t events) {
  std::shared_ptr<FdCallback> callback;
  {
    absl::MutexLock lock(&mutex_);
    const auto it = watches_.find(token);
    if (it == watches_.end()) return;
    callback = it->second.callback;
  }
  (*callback)(events);
}

void PollLoop::Run() {
  while (true) {
    const int timeout = RunTimers();
    {
      absl::MutexLock lock(&mutex_);
      if (stop_) return;
    }
    // One event a turn spreads a burst over the threads.
    epoll_event event;
    const int count = epoll_wait(epoll_.get(), &event, 1, timeout);
    if (count <= 0) continue;
    if (event.data.u64 != kWakeToken) {
      Dispatch(event.data.u64, event.events);
      continue;
    }
    absl::MutexLock lock(&mutex_);
    if (stop_) return;
    uint64_t value;
    (void)!read(wake_.get(), &value, sizeof(value));
  }
}

}  // namespace paddock::nodeagent
