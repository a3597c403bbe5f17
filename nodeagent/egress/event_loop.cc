#include "nodeagent/egress/event_loop.h"

#include <sys/timerfd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "nodeagent/system/errno_status.h"

namespace paddock::nodeagent {
namespace {

constexpr int kBatch = 64;
constexpr int64_t kNanosecondsPerSecond = 1'000'000'000;

}  // namespace

absl::StatusOr<std::unique_ptr<EventLoop>> EventLoop::Create() {
  UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid()) return ErrnoStatus("making an epoll");
  return std::unique_ptr<EventLoop>(new EventLoop(std::move(epoll)));
}

absl::Status EventLoop::Add(int fd, uint32_t events, Callback callback) {
  uint64_t id = ++last_id_;
  epoll_event event = {};
  event.events = events;
  event.data.u64 = id;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) < 0) return ErrnoStatus("watching");
  watches_[fd] = {id, std::make_shared<Callback>(std::move(callback))};
  fd_of_[id] = fd;
  return absl::OkStatus();
}

absl::Status EventLoop::Change(int fd, uint32_t events) {
  auto watch = watches_.find(fd);
  if (watch == watches_.end()) return absl::NotFoundError("descriptor isn't watched");
  epoll_event event = {};
  event.events = events;
  event.data.u64 = watch->second.id;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) < 0) return ErrnoStatus("watching");
  return absl::OkStatus();
}

void EventLoop::Remove(int fd) {
  auto watch = watches_.find(fd);
  if (watch == watches_.end()) return;
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  fd_of_.erase(watch->second.id);
  watches_.erase(watch);
}

absl::Status EventLoop::Run() {
  epoll_event events[kBatch];
  while (!stopped_) {
    int count = epoll_wait(epoll_.get(), events, kBatch, -1);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ErrnoStatus("waiting for events");
    for (int i = 0; i < count; ++i) {
      auto fd = fd_of_.find(events[i].data.u64);
      if (fd == fd_of_.end()) continue;
      // Kept alive, should it remove itself.
      std::shared_ptr<Callback> callback = watches_[fd->second].callback;
      (*callback)(events[i].events);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<LoopTimer>> LoopTimer::Create(EventLoop* loop, int clock,
                                                             std::function<void()> callback) {
  UniqueFd fd(timerfd_create(clock, TFD_NONBLOCK | TFD_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus("making a timer");
  int number = fd.get();
  absl::Status added =
      loop->Add(number, EPOLLIN, [number, callback = std::move(callback)](uint32_t) {
        uint64_t expirations;
        if (read(number, &expirations, sizeof(expirations)) == sizeof(expirations)) callback();
      });
  if (!added.ok()) return added;
  return std::unique_ptr<LoopTimer>(new LoopTimer(loop, std::move(fd)));
}

LoopTimer::~LoopTimer() { loop_->Remove(fd_.get()); }

void LoopTimer::ArmAfter(int64_t nanoseconds) { Set(0, std::max<int64_t>(nanoseconds, 1), 0); }
void LoopTimer::ArmAt(int64_t nanoseconds) {
  Set(TFD_TIMER_ABSTIME, std::max<int64_t>(nanoseconds, 1), 0);
}
void LoopTimer::ArmEvery(int64_t nanoseconds) { Set(0, nanoseconds, nanoseconds); }
void LoopTimer::Disarm() { Set(0, 0, 0); }

void LoopTimer::Set(int flags, int64_t value, int64_t interval) {
  itimerspec spec = {};
  spec.it_value.tv_sec = value / kNanosecondsPerSecond;
  spec.it_value.tv_nsec = value % kNanosecondsPerSecond;
  spec.it_interval.tv_sec = interval / kNanosecondsPerSecond;
  spec.it_interval.tv_nsec = interval % kNanosecondsPerSecond;
  timerfd_settime(fd_.get(), flags, &spec, nullptr);
}

}  // namespace paddock::nodeagent
