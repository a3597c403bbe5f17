#include "nodeagent/system/loop_device.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/status_macros.h"
#include "nodeagent/system/errno_status.h"
#include "nodeagent/system/file.h"

namespace paddock::nodeagent {
namespace {

absl::StatusOr<UniqueFd> OpenFile(const std::string& path, int flags) {
  UniqueFd fd(open(path.c_str(), flags | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(absl::StrCat("open ", path));
  return fd;
}

// `name` as in /sys/block. In a container /dev has the devices of its start: what came later is
// made.
absl::StatusOr<UniqueFd> OpenLoop(const std::string& name) {
  const std::string path = absl::StrCat("/dev/", name);
  if (!PathExists(path)) {
    PADDOCK_ASSIGN_OR_RETURN(const std::string numbers,
                             ReadFile(absl::StrCat("/sys/block/", name, "/dev")));
    const std::pair<std::string, std::string> parts =
        absl::StrSplit(absl::StripAsciiWhitespace(numbers), absl::MaxSplits(':', 1));
    unsigned device_major = 0;
    unsigned device_minor = 0;
    if (!absl::SimpleAtoi(parts.first, &device_major) ||
        !absl::SimpleAtoi(parts.second, &device_minor)) {
      return absl::InternalError(absl::StrCat("/sys/block/", name, "/dev says ", numbers));
    }
    if (mknod(path.c_str(), S_IFBLK | 0600, makedev(device_major, device_minor)) != 0 &&
        errno != EEXIST) {
      return ErrnoStatus(absl::StrCat("mknod ", path));
    }
  }
  return OpenFile(path, O_RDWR);
}

bool BacksOn(int loop_fd, const struct stat& file) {
  loop_info64 info = {};
  return ioctl(loop_fd, LOOP_GET_STATUS64, &info) == 0 && info.lo_inode == file.st_ino &&
         info.lo_device == file.st_dev;
}

std::optional<LoopDevice> FindAttached(const struct stat& file) {
  const absl::StatusOr<std::vector<std::string>> devices = ListDirectory("/sys/block");
  if (!devices.ok()) return std::nullopt;
  for (const std::string& name : *devices) {
    if (!absl::StartsWith(name, "loop") ||
        !PathExists(absl::StrCat("/sys/block/", name, "/loop"))) {
      continue;
    }
    absl::StatusOr<UniqueFd> fd = OpenLoop(name);
    if (fd.ok() && BacksOn(fd->get(), file)) {
      return LoopDevice{absl::StrCat("/dev/", name), *std::move(fd)};
    }
  }
  return std::nullopt;
}

}  // namespace

absl::StatusOr<LoopDevice> AttachLoopDevice(const std::string& file) {
  PADDOCK_ASSIGN_OR_RETURN(UniqueFd backing, OpenFile(file, O_RDWR));
  struct stat stats;
  if (fstat(backing.get(), &stats) != 0) return ErrnoStatus(absl::StrCat("stat ", file));
  if (std::optional<LoopDevice> attached = FindAttached(stats)) return *std::move(attached);
  PADDOCK_ASSIGN_OR_RETURN(UniqueFd control, OpenFile("/dev/loop-control", O_RDWR));
  // Others may take the free device first.
  for (int attempt = 0; attempt < 64; ++attempt) {
    const int number = ioctl(control.get(), LOOP_CTL_GET_FREE);
    if (number < 0) return ErrnoStatus("LOOP_CTL_GET_FREE");
    const std::string name = absl::StrCat("loop", number);
    const std::string path = absl::StrCat("/dev/", name);
    PADDOCK_ASSIGN_OR_RETURN(UniqueFd fd, OpenLoop(name));
    loop_config config = {};
    config.fd = static_cast<uint32_t>(backing.get());
    config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
    if (ioctl(fd.get(), LOOP_CONFIGURE, &config) == 0) return LoopDevice{path, std::move(fd)};
    if (errno != EBUSY) return ErrnoStatus(absl::StrCat("attach ", file, " to ", path));
  }
  return absl::ResourceExhaustedError("no free loop device");
}

}  // namespace paddock::nodeagent
