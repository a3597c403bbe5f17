#include "nodeagent/system/unix_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "nodeagent/system/errno_status.h"
#include "nodeagent/system/file.h"

namespace paddock::nodeagent {
namespace {

constexpr int kBacklog = 128;

absl::Status BindTo(int fd, const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return absl::InvalidArgumentError(absl::StrCat("too long for a socket: ", path));
  }
  memcpy(address.sun_path, path.data(), path.size());
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    return ErrnoStatus(absl::StrCat("bind ", path));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<UniqueFd> ListenSeqpacket(const std::string& path) {
  PADDOCK_RETURN_IF_ERROR(RemoveFile(path));
  UniqueFd fd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return ErrnoStatus("socket");
  // The file takes the socket's mode, so nobody else can connect even for a moment.
  if (fchmod(fd.get(), 0600) != 0) return ErrnoStatus("fchmod");
  // By way of the directory's descriptor, because paths in addresses are short.
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return absl::InvalidArgumentError("a relative path");
  PADDOCK_ASSIGN_OR_RETURN(const UniqueFd dir, OpenDirectory(path.substr(0, slash + 1)));
  PADDOCK_RETURN_IF_ERROR(
      BindTo(fd.get(), absl::StrCat("/proc/self/fd/", dir.get(), path.substr(slash))));
  if (listen(fd.get(), kBacklog) != 0) return ErrnoStatus(absl::StrCat("listen ", path));
  return fd;
}

}  // namespace paddock::nodeagent
