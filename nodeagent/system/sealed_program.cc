#include "nodeagent/system/sealed_program.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "nodeagent/system/errno_status.h"
#include "nodeagent/system/file.h"

namespace paddock::nodeagent {
namespace {

// Linux 6.3; Debian 12's headers are older.
constexpr unsigned kMfdExec = 0x0010;
// Above the numbers that children are given descriptors under.
constexpr int kLowestNumber = 100;
constexpr size_t kMaxProgramBytes = 256 << 20;

UniqueFd MakeMemoryFile(const std::string& name) {
  UniqueFd fd(memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING | kMfdExec));
  if (!fd.valid() && errno == EINVAL) {
    fd.reset(memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
  }
  return fd;
}

}  // namespace

absl::StatusOr<UniqueFd> SealProgram(const std::string& path) {
  PADDOCK_ASSIGN_OR_RETURN(const std::string content, ReadFile(path, kMaxProgramBytes));
  const UniqueFd file = MakeMemoryFile(path.substr(path.rfind('/') + 1));
  if (!file.valid()) return ErrnoStatus("memfd_create");
  PADDOCK_RETURN_IF_ERROR(WriteAll(file.get(), content));
  // Exactly these: runtimes compare.
  if (fcntl(file.get(), F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) !=
      0) {
    return ErrnoStatus("seal");
  }
  // Opened anew for reading alone: a file that is open for writing can't be executed.
  UniqueFd readable(open(absl::StrCat("/proc/self/fd/", file.get()).c_str(), O_RDONLY | O_CLOEXEC));
  if (!readable.valid()) return ErrnoStatus("open a sealed program");
  UniqueFd moved(fcntl(readable.get(), F_DUPFD_CLOEXEC, kLowestNumber));
  if (!moved.valid()) return ErrnoStatus("fcntl");
  return moved;
}

}  // namespace paddock::nodeagent
