#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nodeagent/system/unique_fd.h"

namespace paddock::nodeagent {

// Detached mounts are descriptors: nothing is visible anywhere until AttachMount, and closing an
// unattached one undoes it. All of this acts in the calling thread's mount namespace.

// A clone of the mount at `path` (not recursive), whose ids are shifted by the user namespace
// `userns_fd`: what lies on disk as uid 0 shows as the namespace's uid 0. `read_only` as it says.
enum class MountAccess { kReadOnly, kReadWrite };
absl::StatusOr<UniqueFd> CloneIdmapped(const std::string& path, int userns_fd, MountAccess access);

struct OverlaySpec {
  std::vector<int> lower_fds;  // Detached mounts, top first.
  int upper_mount_fd = -1;     // Detached mount of a directory with upper/ and work/.
  bool volatile_upper =
      false;  // No fsync at all; after a crash upper and work must be thrown away.
  // An empty directory in a private mount namespace; kernels that take overlay layers by path only
  // (before 6.15) attach the layers in it for a moment.
  std::string scratch_dir;
};
// An overlay file system with redirect_dir, metacopy and index off, as a detached mount (nodev).
// Its owner is the calling thread's fsuid and fsgid (see ScopedFsIds).
absl::StatusOr<UniqueFd> MakeOverlay(const OverlaySpec& spec);

absl::Status AttachMount(int mount_fd, const std::string& path);
// A bind mount; for namespaces held at a path (`path` must exist). Not recursive.
absl::Status BindMount(const std::string& source, const std::string& path);
// A tmpfs at `path`, with options as mount(8) takes them; nosuid, nodev, noexec.
absl::Status MountTmpfs(const std::string& path, const std::string& options);
// Detaches lazily; OK when nothing is mounted there.
absl::Status DetachMount(const std::string& path);

// Sees to it that unmounting what will be mounted at `path` (which must exist) reaches the copies
// that other mount namespaces were made with, so that they keep nothing alive: where the mount that
// holds `path` isn't shared (systemd makes them so, other inits don't), `path` becomes a shared
// mount of itself. DetachMountPoint undoes it, and detaches what is mounted there.
absl::Status ShareMountPoint(const std::string& path);
absl::Status DetachMountPoint(const std::string& path);

// Gives the calling thread a mount namespace of its own that sees later mounts of the old one but
// not the other way round.
absl::Status EnterPrivateMountNamespace();

// Detaches every mount of the calling thread's namespace but those that hold one of `needed`
// (absolute paths) and what lies below /proc, /sys, /dev and /usr; for namespaces that live long,
// so that they don't keep other file systems from being unmounted for good.
absl::Status DetachOtherMounts(const std::vector<std::string>& needed);
// Pure: whether the mount at `mount_point` stays then.
bool MountIsNeeded(const std::string& mount_point, const std::vector<std::string>& needed);

// One line of /proc/self/mountinfo.
struct MountEntry {
  std::string root;  // The part of the file system that shows at the mount point.
  std::string mount_point;
  std::string file_system;
  std::string source;
  std::string super_options;
  bool shared = false;  // Mounts and unmounts on it reach its copies in other namespaces.
};
absl::StatusOr<std::vector<MountEntry>> ReadMounts();
// Pure: the mount that `path` lies on; null if none of `mounts`.
const MountEntry* MountThatHolds(const std::vector<MountEntry>& mounts, const std::string& path);
// Pure: parses mountinfo text; lines that it doesn't understand are left out.
std::vector<MountEntry> ParseMountInfo(const std::string& text);

// Makes new files owned by `uid`:`gid` for the calling thread while it lives, and keeps the
// thread's capabilities in effect meanwhile.
class ScopedFsIds {
 public:
  ScopedFsIds(uint32_t uid, uint32_t gid);
  ~ScopedFsIds();
  ScopedFsIds(const ScopedFsIds&) = delete;
  ScopedFsIds& operator=(const ScopedFsIds&) = delete;
  const absl::Status& status() const { return status_; }

 private:
  absl::Status status_;
};

}  // namespace paddock::nodeagent
