#include "nodeagent/system/spawn.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "nodeagent/system/errno_status.h"

namespace paddock::nodeagent {
namespace {

constexpr size_t kStackBytes = 64 * 1024;
constexpr int kFirstScratchFd = 64;

// Shared with the child, which runs in our memory until it has executed: it may only read what was
// prepared, make system calls, and set `step` and `error`.
struct ChildPlan {
  const char* path;
  char* const* argv;
  char* const* envp;
  const char* cwd;
  std::vector<std::pair<int, int>> fds;
  std::vector<int> scratch;
  std::vector<int> joins;
  std::vector<std::pair<int, rlim_t>> limits;
  const char* step = nullptr;
  int error = 0;
};

int Fail(ChildPlan* plan, const char* step) {
  plan->error = errno;
  plan->step = step;
  return 127;
}

void ResetSignals() {
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) sigaction(signal, &action, nullptr);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

// Sources are first moved out of the way, so that no target overwrites a source still needed.
bool ArrangeFds(ChildPlan* plan) {
  for (size_t i = 0; i < plan->fds.size(); ++i) {
    plan->scratch[i] = fcntl(plan->fds[i].first, F_DUPFD_CLOEXEC, kFirstScratchFd);
    if (plan->scratch[i] < 0) return false;
  }
  // Everything closes at the execution but what dup2 puts in place now.
  if (syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) != 0) return false;
  for (size_t i = 0; i < plan->fds.size(); ++i) {
    if (dup2(plan->scratch[i], plan->fds[i].second) < 0) return false;
  }
  return true;
}

int RunChild(void* argument) {
  auto* plan = static_cast<ChildPlan*>(argument);
  if (setsid() < 0) return Fail(plan, "setsid");
  for (int join : plan->joins) {
    if (write(join, "0", 1) != 1) return Fail(plan, "joining the cgroup");
  }
  for (const auto& [resource, value] : plan->limits) {
    const rlimit limit = {value, value};
    if (setrlimit(static_cast<__rlimit_resource_t>(resource), &limit) != 0) {
      return Fail(plan, "setrlimit");
    }
  }
  if (chdir(plan->cwd) != 0) return Fail(plan, "chdir");
  if (!ArrangeFds(plan)) return Fail(plan, "arranging descriptors");
  ResetSignals();
  execve(plan->path, plan->argv, plan->envp);
  return Fail(plan, "execve");
}

// clone3(2) with a stack of its own for the child, which runs fn(argument) and exits with its
// result. glibc keeps its wrapper private.
long Clone3(clone_args* args, int (*fn)(void*), void* argument) {
#if defined(__x86_64__)
  long result;
  register int (*fn_reg)(void*) asm("r12") = fn;
  register void* argument_reg asm("r13") = argument;
  asm volatile(
      "syscall\n\t"
      "test %%rax, %%rax\n\t"
      "jnz 1f\n\t"
      "xor %%ebp, %%ebp\n\t"
      "mov %%r13, %%rdi\n\t"
      "call *%%r12\n\t"
      "mov %%eax, %%edi\n\t"
      "mov $60, %%eax\n\t"
      "syscall\n\t"
      "1:\n\t"
      : "=a"(result)
      : "0"(static_cast<long>(SYS_clone3)), "D"(args), "S"(sizeof *args), "r"(fn_reg),
        "r"(argument_reg)
      : "rcx", "r11", "memory", "cc");
  return result;
#elif defined(__aarch64__)
  register long x0 asm("x0") = reinterpret_cast<long>(args);
  register long x1 asm("x1") = sizeof *args;
  register long x8 asm("x8") = SYS_clone3;
  register int (*x19)(void*) asm("x19") = fn;
  register void* x20 asm("x20") = argument;
  asm volatile(
      "svc #0\n\t"
      "cbnz x0, 1f\n\t"
      "mov x29, #0\n\t"
      "mov x0, x20\n\t"
      "blr x19\n\t"
      "mov x8, #93\n\t"
      "svc #0\n\t"
      "1:\n\t"
      : "+r"(x0)
      : "r"(x1), "r"(x8), "r"(x19), "r"(x20)
      : "memory", "cc", "x30");
  return x0;
#else
#error "Clone3 is written for x86_64 and aarch64"
#endif
}

// Stack for a child; the parent waits until it has executed, so it can be reused at once.
class ChildStack {
 public:
  ChildStack()
      : memory_(mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0)) {}
  ~ChildStack() {
    if (memory_ != MAP_FAILED) munmap(memory_, kStackBytes);
  }
  void* get() const { return memory_ == MAP_FAILED ? nullptr : memory_; }

 private:
  void* memory_;
};

std::string FindProgram(const std::string& name) {
  if (name.find('/') != std::string::npos) return name;
  const char* path = getenv("PATH");
  const std::string search =
      path != nullptr ? path : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  for (absl::string_view dir : absl::StrSplit(search, ':', absl::SkipEmpty())) {
    std::string candidate = absl::StrCat(dir, "/", name);
    if (access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return "";
}

std::vector<char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<char*> out;
  out.reserve(strings.size() + 1);
  for (const std::string& s : strings) out.push_back(const_cast<char*>(s.c_str()));
  out.push_back(nullptr);
  return out;
}

int DevNull() {
  static const int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
  return fd;
}

void PlanFds(const SpawnSpec& spec, ChildPlan* plan) {
  plan->fds = spec.fds;
  for (int target = 0; target <= 2; ++target) {
    const bool named = std::any_of(spec.fds.begin(), spec.fds.end(),
                                   [target](const auto& pair) { return pair.second == target; });
    if (!named) plan->fds.emplace_back(DevNull(), target);
  }
  plan->scratch.resize(plan->fds.size());
}

// Starts the child with every signal blocked, so that no handler runs in the shared memory.
long StartChild(const SpawnSpec& spec, ChildPlan* plan, int* pidfd) {
  ChildStack stack;
  if (stack.get() == nullptr) return -ENOMEM;
  clone_args args = {};
  args.flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD | CLONE_CLEAR_SIGHAND;
  args.pidfd = reinterpret_cast<uint64_t>(pidfd);
  args.exit_signal = SIGCHLD;
  args.stack = reinterpret_cast<uint64_t>(stack.get());
  args.stack_size = kStackBytes;
  if (spec.cgroup_dir_fd >= 0) {
    args.flags |= CLONE_INTO_CGROUP;
    args.cgroup = static_cast<uint64_t>(spec.cgroup_dir_fd);
  }
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const long pid = Clone3(&args, &RunChild, plan);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return pid;
}

}  // namespace

absl::StatusOr<SpawnedProcess> Spawn(const SpawnSpec& spec) {
  if (spec.argv.empty()) return absl::InvalidArgumentError("nothing to execute");
  const std::string path = spec.program_fd >= 0 ? absl::StrCat("/proc/self/fd/", spec.program_fd)
                                                : FindProgram(spec.argv[0]);
  if (path.empty()) return absl::NotFoundError(absl::StrCat(spec.argv[0], ": not in PATH"));
  const std::vector<char*> argv = Pointers(spec.argv);
  const std::vector<char*> envp = Pointers(spec.env);
  ChildPlan plan;
  plan.path = path.c_str();
  plan.argv = argv.data();
  plan.envp = envp.data();
  plan.cwd = spec.cwd.c_str();
  plan.joins = spec.cgroup_join_fds;
  plan.limits = spec.limits;
  PlanFds(spec, &plan);

  int pidfd = -1;
  const long pid = StartChild(spec, &plan, &pidfd);
  if (pid < 0) return ErrnoStatus(static_cast<int>(-pid), absl::StrCat("clone3 for ", path));
  SpawnedProcess child;
  child.pid = static_cast<pid_t>(pid);
  child.pidfd.reset(pidfd);
  if (plan.step != nullptr) {
    siginfo_t info;
    while (waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED) != 0 && errno == EINTR) {
    }
    return ErrnoStatus(plan.error, absl::StrCat(plan.step, " for ", path));
  }
  return child;
}

}  // namespace paddock::nodeagent
