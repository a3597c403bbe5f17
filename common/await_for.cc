#include "common/await_for.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

namespace paddock {
namespace {

using Instant = std::chrono::steady_clock::time_point;

// On the stack of the thread that waits.
struct Alarm {
  absl::Mutex* mutex;
  const absl::Condition* condition;
  bool rang = false;     // Guarded by *mutex.
  bool ringing = false;  // Guarded by the clock's mutex: taken out, and will ring.
  bool Over() const { return rang || condition->Eval(); }
};

// One thread for all waits of the process. Never destroyed: threads may wait until the end.
class AlarmClock {
 public:
  using Handle = std::multimap<Instant, Alarm*>::iterator;

  static AlarmClock& Shared() {
    static auto* const clock = new AlarmClock;
    return *clock;
  }

  Handle Add(Alarm* alarm, Instant due) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const Handle added = alarms_.emplace(due, alarm);
    if (added == alarms_.begin()) earlier_.notify_one();
    return added;
  }

  // False: it is ringing, and its mutex will be locked and its `rang` set.
  bool Remove(Handle handle, const Alarm& alarm) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (alarm.ringing) return false;
    alarms_.erase(handle);
    return true;
  }

 private:
  AlarmClock() {
    std::thread thread([this] { Run(); });
    pthread_setname_np(thread.native_handle(), "alarms");
    thread.detach();
  }

  void Run() {
    std::unique_lock<std::mutex> lock(mutex_);
    while (true) {
      if (alarms_.empty()) {
        earlier_.wait(lock);
        continue;
      }
      const Instant due = alarms_.begin()->first;
      if (due > std::chrono::steady_clock::now()) {
        earlier_.wait_until(lock, due);
        continue;
      }
      Alarm* alarm = alarms_.begin()->second;
      alarms_.erase(alarms_.begin());
      alarm->ringing = true;
      lock.unlock();
      // Not with our lock: who waits takes it with this one held.
      absl::Mutex* waited = alarm->mutex;
      waited->Lock();
      alarm->rang = true;
      waited->Unlock();
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable earlier_;
  std::multimap<Instant, Alarm*> alarms_;
};

}  // namespace

bool AwaitFor(absl::Mutex* mutex, const absl::Condition& condition, absl::Duration timeout) {
  if (condition.Eval()) return true;
  if (timeout <= absl::ZeroDuration()) return false;
  if (timeout == absl::InfiniteDuration()) {
    mutex->Await(condition);
    return true;
  }
  Alarm alarm{mutex, &condition};
  const Instant due = std::chrono::steady_clock::now() +
                      absl::ToChronoNanoseconds(std::min(timeout, absl::Hours(24 * 365)));
  const AlarmClock::Handle handle = AlarmClock::Shared().Add(&alarm, due);
  mutex->Await(absl::Condition(&alarm, &Alarm::Over));
  if (!AlarmClock::Shared().Remove(handle, alarm)) mutex->Await(absl::Condition(&alarm.rang));
  return condition.Eval();
}

}  // namespace paddock
