#include "nodeagent/system/exit_watcher.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <thread>
#include <unordered_map>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "nodeagent/system/errno_status.h"

namespace paddock::nodeagent {
namespace {

class EpollExitWatcher : public ExitWatcher {
 public:
  EpollExitWatcher(UniqueFd epoll, UniqueFd stop)
      : epoll_(std::move(epoll)), stop_(std::move(stop)), thread_([this] { Run(); }) {}

  ~EpollExitWatcher() override {
    const uint64_t one = 1;
    while (write(stop_.get(), &one, sizeof one) < 0 && errno == EINTR) {
    }
    thread_.join();
  }

  absl::Status Watch(UniqueFd pidfd, std::function<void(int pidfd)> on_exit) override {
    const int fd = pidfd.get();
    absl::MutexLock lock(&mutex_);
    watches_[fd] = Entry{std::move(pidfd), std::move(on_exit)};
    epoll_event event = {};
    event.events = EPOLLIN | EPOLLONESHOT;
    event.data.fd = fd;
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
      absl::Status status = ErrnoStatus("epoll_ctl");
      watches_.erase(fd);
      return status;
    }
    return absl::OkStatus();
  }

  absl::Status Post(absl::Duration delay, std::function<void()> task) override {
    // A timer that has run out is readable, as a pidfd of a process that has ended.
    UniqueFd timer(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
    if (!timer.valid()) return ErrnoStatus("timerfd_create");
    itimerspec when = {};
    when.it_value = absl::ToTimespec(std::max(delay, absl::Nanoseconds(1)));
    if (timerfd_settime(timer.get(), 0, &when, nullptr) != 0) return ErrnoStatus("timerfd_settime");
    return Watch(std::move(timer), [task = std::move(task)](int) { task(); });
  }

 private:
  struct Entry {
    UniqueFd pidfd;
    std::function<void(int)> on_exit;
  };

  void Run() {
    while (true) {
      epoll_event events[64];
      const int n = epoll_wait(epoll_.get(), events, 64, -1);
      if (n < 0 && errno != EINTR) return;
      for (int i = 0; i < n; ++i) {
        if (events[i].data.fd == stop_.get()) return;
        Report(events[i].data.fd);
      }
    }
  }

  void Report(int fd) {
    Entry entry;
    {
      absl::MutexLock lock(&mutex_);
      auto it = watches_.find(fd);
      if (it == watches_.end()) return;
      entry = std::move(it->second);
      watches_.erase(it);
    }
    epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
    entry.on_exit(fd);
  }

  const UniqueFd epoll_;
  const UniqueFd stop_;
  absl::Mutex mutex_;
  std::unordered_map<int, Entry> watches_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;  // Last: it uses everything above.
};

}  // namespace

absl::StatusOr<std::unique_ptr<ExitWatcher>> ExitWatcher::Create() {
  UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid()) return ErrnoStatus("epoll_create1");
  UniqueFd stop(eventfd(0, EFD_CLOEXEC));
  if (!stop.valid()) return ErrnoStatus("eventfd");
  epoll_event event = {};
  event.events = EPOLLIN;
  event.data.fd = stop.get();
  if (epoll_ctl(epoll.get(), EPOLL_CTL_ADD, stop.get(), &event) != 0) {
    return ErrnoStatus("epoll_ctl");
  }
  return std::make_unique<EpollExitWatcher>(std::move(epoll), std::move(stop));
}

}  // namespace paddock::nodeagent
