#include "nodeagent/net/network_namespace.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/vfs.h>

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "common/log.h"
#include "common/status_macros.h"
#include "nodeagent/system/errno_status.h"
#include "nodeagent/system/file.h"
#include "nodeagent/system/mount.h"

namespace paddock::nodeagent {
namespace {

constexpr char kSelf[] = "/proc/thread-self/ns/net";
constexpr long kNsfsMagic = 0x6e736673;

}  // namespace

absl::StatusOr<ScopedNetworkNamespace> ScopedNetworkNamespace::Enter(int netns_fd) {
  PADDOCK_ASSIGN_OR_RETURN(UniqueFd home, CurrentNetworkNamespace());
  if (setns(netns_fd, CLONE_NEWNET) < 0) return ErrnoStatus("entering a network namespace");
  return ScopedNetworkNamespace(std::move(home));
}

absl::StatusOr<ScopedNetworkNamespace> ScopedNetworkNamespace::EnterNew() {
  PADDOCK_ASSIGN_OR_RETURN(UniqueFd home, CurrentNetworkNamespace());
  if (unshare(CLONE_NEWNET) < 0) return ErrnoStatus("making a network namespace");
  return ScopedNetworkNamespace(std::move(home));
}

ScopedNetworkNamespace::~ScopedNetworkNamespace() {
  if (!home_.valid()) return;
  if (setns(home_.get(), CLONE_NEWNET) < 0) {
    LogError("no way back to the host's network namespace", {{"errno", errno}});
    abort();
  }
}

absl::StatusOr<UniqueFd> CurrentNetworkNamespace() {
  UniqueFd fd(open(kSelf, O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus("opening the current network namespace");
  return fd;
}

absl::StatusOr<UniqueFd> OpenPinnedNamespace(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(absl::StrCat("opening ", path));
  struct statfs info;
  if (fstatfs(fd.get(), &info) < 0) return ErrnoStatus(absl::StrCat("statfs ", path));
  if (info.f_type != kNsfsMagic) {
    return absl::NotFoundError(absl::StrCat("no namespace is bound to ", path));
  }
  return fd;
}

absl::Status PinCurrentNamespace(const std::string& path) {
  UniqueFd file(open(path.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC, 0600));
  if (!file.valid()) return ErrnoStatus(absl::StrCat("making ", path));
  PADDOCK_RETURN_IF_ERROR(ShareMountPoint(path));
  return BindMount(kSelf, path);
}

absl::Status UnpinNamespace(const std::string& path) {
  if (!PathExists(path)) return absl::OkStatus();
  PADDOCK_RETURN_IF_ERROR(DetachMountPoint(path));
  return RemoveFile(path);
}

absl::Status WriteNetworkSetting(absl::string_view name, absl::string_view value) {
  return WriteControlFile(absl::StrCat("/proc/sys/net/", name), value);
}

}  // namespace paddock::nodeagent
