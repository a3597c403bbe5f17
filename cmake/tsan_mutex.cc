// See tsan_mutex.cmake. Each function calls the library's, and tells ThreadSanitizer that what
// happened before an unlock is seen after the next lock. Conditions are evaluated inside the
// library, by whichever thread unlocks, while it holds the mutex: their reads are left out.
#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"

extern "C" {
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
}

namespace {

constexpr char kFile[] = "tsan_mutex";

class IgnoreReads {
 public:
  IgnoreReads() { AnnotateIgnoreReadsBegin(kFile, 0); }
  ~IgnoreReads() { AnnotateIgnoreReadsEnd(kFile, 0); }
};

// The function that `symbol` names in the library behind us; `This` first, as members are called.
template <typename Result, typename... Arguments>
Result CallReal(const char* symbol, Arguments... arguments) {
  auto function = reinterpret_cast<Result (*)(Arguments...)>(dlsym(RTLD_NEXT, symbol));
  if (function == nullptr) __builtin_trap();
  IgnoreReads ignore;
  return function(arguments...);
}

void* Address(const void* object) { return const_cast<void*>(object); }

}  // namespace

// How names begin in Debian 12, whose inline namespace is debian3.
#define PADDOCK_ABSL "_ZN4absl7debian3"
#define PADDOCK_ABSL_CONST "_ZNK4absl7debian3"

namespace absl {
ABSL_NAMESPACE_BEGIN

void Mutex::Lock() {
  CallReal<void>(PADDOCK_ABSL "5Mutex4LockEv", this);
  __tsan_acquire(this);
}

void Mutex::Unlock() {
  __tsan_release(this);
  CallReal<void>(PADDOCK_ABSL "5Mutex6UnlockEv", this);
}

bool Mutex::TryLock() {
  const bool locked = CallReal<bool>(PADDOCK_ABSL "5Mutex7TryLockEv", this);
  if (locked) __tsan_acquire(this);
  return locked;
}

void Mutex::ReaderLock() {
  CallReal<void>(PADDOCK_ABSL "5Mutex10ReaderLockEv", this);
  __tsan_acquire(this);
}

void Mutex::ReaderUnlock() {
  __tsan_release(this);
  CallReal<void>(PADDOCK_ABSL "5Mutex12ReaderUnlockEv", this);
}

void Mutex::Await(const Condition& condition) {
  __tsan_release(this);
  CallReal<void>(PADDOCK_ABSL "5Mutex5AwaitERKNS0_9ConditionE", this, &condition);
  __tsan_acquire(this);
}

bool Mutex::AwaitWithTimeout(const Condition& condition, Duration timeout) {
  __tsan_release(this);
  const bool met =
      CallReal<bool>(PADDOCK_ABSL "5Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE", this,
                     &condition, timeout);
  __tsan_acquire(this);
  return met;
}

bool Mutex::AwaitWithDeadline(const Condition& condition, Time deadline) {
  __tsan_release(this);
  const bool met =
      CallReal<bool>(PADDOCK_ABSL "5Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE", this,
                     &condition, deadline);
  __tsan_acquire(this);
  return met;
}

void Mutex::LockWhen(const Condition& condition) {
  CallReal<void>(PADDOCK_ABSL "5Mutex8LockWhenERKNS0_9ConditionE", this, &condition);
  __tsan_acquire(this);
}

bool Mutex::LockWhenWithTimeout(const Condition& condition, Duration timeout) {
  const bool met =
      CallReal<bool>(PADDOCK_ABSL "5Mutex19LockWhenWithTimeoutERKNS0_9ConditionENS0_8DurationE",
                     this, &condition, timeout);
  __tsan_acquire(this);
  return met;
}

bool Mutex::LockWhenWithDeadline(const Condition& condition, Time deadline) {
  const bool met =
      CallReal<bool>(PADDOCK_ABSL "5Mutex20LockWhenWithDeadlineERKNS0_9ConditionENS0_4TimeE", this,
                     &condition, deadline);
  __tsan_acquire(this);
  return met;
}

void CondVar::Wait(Mutex* mutex) {
  __tsan_release(mutex);
  CallReal<void>(PADDOCK_ABSL "7CondVar4WaitEPNS0_5MutexE", this, mutex);
  __tsan_acquire(mutex);
}

bool CondVar::WaitWithTimeout(Mutex* mutex, Duration timeout) {
  __tsan_release(mutex);
  const bool expired = CallReal<bool>(
      PADDOCK_ABSL "7CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE", this, mutex, timeout);
  __tsan_acquire(mutex);
  return expired;
}

bool CondVar::WaitWithDeadline(Mutex* mutex, Time deadline) {
  __tsan_release(mutex);
  const bool expired = CallReal<bool>(
      PADDOCK_ABSL "7CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE", this, mutex, deadline);
  __tsan_acquire(mutex);
  return expired;
}

void Notification::Notify() {
  __tsan_release(this);
  CallReal<void>(PADDOCK_ABSL "12Notification6NotifyEv", this);
}

void Notification::WaitForNotification() const {
  CallReal<void>(PADDOCK_ABSL_CONST "12Notification19WaitForNotificationEv", this);
  __tsan_acquire(Address(this));
}

bool Notification::WaitForNotificationWithTimeout(Duration timeout) const {
  const bool notified = CallReal<bool>(
      PADDOCK_ABSL_CONST "12Notification30WaitForNotificationWithTimeoutENS0_8DurationE", this,
      timeout);
  if (notified) __tsan_acquire(Address(this));
  return notified;
}

ABSL_NAMESPACE_END
}  // namespace absl
