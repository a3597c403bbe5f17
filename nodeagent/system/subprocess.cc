#include "nodeagent/system/subprocess.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/clock.h"
#include "common/status_macros.h"
#include "nodeagent/system/errno_status.h"
#include "nodeagent/system/file.h"
#include "nodeagent/system/pidfd.h"

namespace paddock::nodeagent {
namespace {

// How much of a failed program's output goes into a status.
constexpr size_t kErrorTail = 2000;

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

absl::StatusOr<Pipe> MakePipe() {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) return ErrnoStatus("pipe2");
  Pipe pipe{UniqueFd(fds[0]), UniqueFd(fds[1])};
  if (fcntl(fds[0], F_SETFL, O_NONBLOCK) != 0) return ErrnoStatus("fcntl");
  return pipe;
}

absl::StatusOr<UniqueFd> StdinFile(const std::string& data) {
  UniqueFd fd(memfd_create("stdin", MFD_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus("memfd_create");
  PADDOCK_RETURN_IF_ERROR(WriteAll(fd.get(), data));
  if (lseek(fd.get(), 0, SEEK_SET) != 0) return ErrnoStatus("lseek");
  return fd;
}

// One captured stream of the child.
struct Capture {
  UniqueFd fd;
  std::string* out;
  size_t max;

  // Reads what is there; closes at the end of the stream.
  void Drain() {
    char buffer[16384];
    while (fd.valid()) {
      const ssize_t n = read(fd.get(), buffer, sizeof buffer);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) return;
      if (n <= 0) return fd.reset();
      out->append(buffer, static_cast<size_t>(n));
      if (out->size() > 2 * max) out->erase(0, out->size() - max);
    }
  }
  void Trim() {
    if (out->size() > max) out->erase(0, out->size() - max);
  }
};

// Collects output until the child ends; false past the deadline.
bool CollectUntilExit(int pidfd, Capture* captures, absl::Duration timeout) {
  const absl::Duration deadline = Clock::Real()->Monotonic() + timeout;
  while (true) {
    const absl::Duration left = deadline - Clock::Real()->Monotonic();
    if (left <= absl::ZeroDuration()) return false;
    pollfd polls[3] = {
        {pidfd, POLLIN, 0}, {captures[0].fd.get(), POLLIN, 0}, {captures[1].fd.get(), POLLIN, 0}};
    const int64_t ms = absl::ToInt64Milliseconds(left) + 1;
    if (poll(polls, 3, static_cast<int>(std::min<int64_t>(ms, 1 << 30))) <= 0) continue;
    captures[0].Drain();
    captures[1].Drain();
    if (polls[0].revents != 0) {
      // Once more: what it wrote between the reads above and its end.
      captures[0].Drain();
      captures[1].Drain();
      return true;
    }
  }
}

absl::string_view Tail(absl::string_view text) {
  text = absl::StripAsciiWhitespace(text);
  return text.size() > kErrorTail ? text.substr(text.size() - kErrorTail) : text;
}

}  // namespace

absl::StatusOr<SubprocessResult> RunSubprocess(const SpawnSpec& spec,
                                               const SubprocessOptions& options) {
  PADDOCK_ASSIGN_OR_RETURN(Pipe out, MakePipe());
  PADDOCK_ASSIGN_OR_RETURN(Pipe err, MakePipe());
  SpawnSpec actual = spec;
  actual.fds.emplace_back(out.write.get(), 1);
  actual.fds.emplace_back(err.write.get(), 2);
  UniqueFd input;
  if (!options.stdin_data.empty()) {
    PADDOCK_ASSIGN_OR_RETURN(input, StdinFile(options.stdin_data));
    actual.fds.emplace_back(input.get(), 0);
  }
  PADDOCK_ASSIGN_OR_RETURN(SpawnedProcess child, Spawn(actual));
  out.write.reset();
  err.write.reset();

  SubprocessResult result;
  Capture captures[2] = {{std::move(out.read), &result.stdout_data, options.max_output},
                         {std::move(err.read), &result.stderr_data, options.max_output}};
  const bool ended = CollectUntilExit(child.pidfd.get(), captures, options.timeout);
  if (!ended) kill(-child.pid, SIGKILL);  // Not reaped yet, so the group is still its own.
  PADDOCK_ASSIGN_OR_RETURN(const ExitStatus exit,
                           WaitForExit(child.pidfd.get(), absl::InfiniteDuration()));
  captures[0].Trim();
  captures[1].Trim();
  if (!ended) {
    return absl::DeadlineExceededError(absl::StrCat(spec.argv[0], " took longer than ",
                                                    absl::FormatDuration(options.timeout), ": ",
                                                    Tail(result.stderr_data)));
  }
  result.exit_code = exit.exit_code;
  result.signal = exit.signal;
  return result;
}

absl::Status SubprocessError(absl::string_view program, const SubprocessResult& result) {
  absl::string_view text = Tail(result.stderr_data);
  if (text.empty()) text = Tail(result.stdout_data);
  return absl::InternalError(
      absl::StrCat(program,
                   result.signal != 0 ? absl::StrCat(" was killed by signal ", result.signal)
                                      : absl::StrCat(" ended with code ", result.exit_code),
                   text.empty() ? "" : ": ", text));
}

absl::StatusOr<std::string> RunChecked(const SpawnSpec& spec, const SubprocessOptions& options) {
  PADDOCK_ASSIGN_OR_RETURN(SubprocessResult result, RunSubprocess(spec, options));
  if (!result.ok()) return SubprocessError(spec.argv[0], result);
  return std::move(result.stdout_data);
}

}  // namespace paddock::nodeagent
