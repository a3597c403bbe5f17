#include "nodeagent/system/mount.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/status_macros.h"
#include "nodeagent/system/errno_status.h"
#include "nodeagent/system/file.h"

namespace paddock::nodeagent {
namespace {

// With the kernel's own words about a mount that it refused, which it leaves on the descriptor.
absl::Status FsError(int fs_fd, const std::string& what) {
  const int error = errno;
  char text[512];
  const ssize_t n = read(fs_fd, text, sizeof text);
  absl::string_view detail(text, n > 0 ? static_cast<size_t>(n) : 0);
  return ErrnoStatus(error, detail.empty() ? what : absl::StrCat(what, " (", detail, ")"));
}

absl::Status SetString(int fs_fd, const char* key, const std::string& value) {
  if (fsconfig(fs_fd, FSCONFIG_SET_STRING, key, value.c_str(), 0) != 0) {
    return FsError(fs_fd, absl::StrCat("overlay ", key, "=", value));
  }
  return absl::OkStatus();
}

absl::Status SetFd(int fs_fd, const char* key, int fd) {
  if (fsconfig(fs_fd, FSCONFIG_SET_FD, key, nullptr, fd) != 0) {
    return FsError(fs_fd, absl::StrCat("overlay ", key));
  }
  return absl::OkStatus();
}

absl::StatusOr<UniqueFd> OpenBelow(int dir_fd, const char* name) {
  UniqueFd fd(openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(absl::StrCat("open ", name, " of an overlay layer"));
  return fd;
}

absl::Status SetCommonOptions(int fs_fd, const OverlaySpec& spec) {
  PADDOCK_RETURN_IF_ERROR(SetString(fs_fd, "source", "paddock"));
  PADDOCK_RETURN_IF_ERROR(SetString(fs_fd, "redirect_dir", "off"));
  PADDOCK_RETURN_IF_ERROR(SetString(fs_fd, "metacopy", "off"));
  PADDOCK_RETURN_IF_ERROR(SetString(fs_fd, "index", "off"));
  if (spec.volatile_upper && fsconfig(fs_fd, FSCONFIG_SET_FLAG, "volatile", nullptr, 0) != 0) {
    return FsError(fs_fd, "overlay volatile");
  }
  return absl::OkStatus();
}

absl::StatusOr<UniqueFd> CreateAndMount(int fs_fd) {
  if (fsconfig(fs_fd, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) {
    return FsError(fs_fd, "overlay");
  }
  UniqueFd mount_fd(fsmount(fs_fd, FSMOUNT_CLOEXEC, MOUNT_ATTR_NODEV));
  if (!mount_fd.valid()) return FsError(fs_fd, "overlay fsmount");
  return mount_fd;
}

absl::Status SetLayersByFd(int fs_fd, const OverlaySpec& spec) {
  for (int lower : spec.lower_fds) {
    PADDOCK_ASSIGN_OR_RETURN(UniqueFd dir, OpenBelow(lower, "."));
    PADDOCK_RETURN_IF_ERROR(SetFd(fs_fd, "lowerdir+", dir.get()));
  }
  PADDOCK_ASSIGN_OR_RETURN(UniqueFd upper, OpenBelow(spec.upper_mount_fd, "upper"));
  PADDOCK_RETURN_IF_ERROR(SetFd(fs_fd, "upperdir", upper.get()));
  PADDOCK_ASSIGN_OR_RETURN(UniqueFd work, OpenBelow(spec.upper_mount_fd, "work"));
  return SetFd(fs_fd, "workdir", work.get());
}

absl::StatusOr<UniqueFd> MakeOverlayByFd(const OverlaySpec& spec) {
  UniqueFd fs(fsopen("overlay", FSOPEN_CLOEXEC));
  if (!fs.valid()) return ErrnoStatus("fsopen overlay");
  PADDOCK_RETURN_IF_ERROR(SetLayersByFd(fs.get(), spec));
  PADDOCK_RETURN_IF_ERROR(SetCommonOptions(fs.get(), spec));
  return CreateAndMount(fs.get());
}

// Mounts that are attached below a directory while this lives.
class AttachedLayers {
 public:
  ~AttachedLayers() {
    for (const std::string& path : paths_) {
      umount2(path.c_str(), MNT_DETACH);
      rmdir(path.c_str());
    }
  }
  absl::StatusOr<std::string> Attach(int mount_fd, const std::string& path) {
    if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
      return ErrnoStatus(absl::StrCat("mkdir ", path));
    }
    PADDOCK_RETURN_IF_ERROR(AttachMount(mount_fd, path));
    paths_.push_back(path);
    return path;
  }

 private:
  std::vector<std::string> paths_;
};

absl::StatusOr<UniqueFd> MakeOverlayByPath(const OverlaySpec& spec) {
  UniqueFd fs(fsopen("overlay", FSOPEN_CLOEXEC));
  if (!fs.valid()) return ErrnoStatus("fsopen overlay");
  AttachedLayers layers;
  std::vector<std::string> lowers;
  for (int lower : spec.lower_fds) {
    PADDOCK_ASSIGN_OR_RETURN(
        std::string path, layers.Attach(lower, absl::StrCat(spec.scratch_dir, "/", lowers.size())));
    lowers.push_back(std::move(path));
  }
  PADDOCK_ASSIGN_OR_RETURN(
      const std::string upper,
      layers.Attach(spec.upper_mount_fd, absl::StrCat(spec.scratch_dir, "/upper")));
  PADDOCK_RETURN_IF_ERROR(SetCommonOptions(fs.get(), spec));
  PADDOCK_RETURN_IF_ERROR(SetString(fs.get(), "lowerdir", absl::StrJoin(lowers, ":")));
  PADDOCK_RETURN_IF_ERROR(SetString(fs.get(), "upperdir", absl::StrCat(upper, "/upper")));
  PADDOCK_RETURN_IF_ERROR(SetString(fs.get(), "workdir", absl::StrCat(upper, "/work")));
  return CreateAndMount(fs.get());
}

void RaiseCapabilities() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2];
  if (syscall(SYS_capget, &header, data) != 0) return;
  for (auto& word : data) word.effective = word.permitted;
  syscall(SYS_capset, &header, data);
}

bool IsOrIsBelow(absl::string_view path, absl::string_view dir) {
  if (dir == "/") return true;
  return absl::ConsumePrefix(&path, dir) && (path.empty() || path[0] == '/');
}

// mountinfo escapes space, tab, newline and backslash as three octal digits.
std::string Unescape(absl::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      out.push_back(static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                                      (text[i + 3] - '0')));
      i += 3;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

}  // namespace

absl::StatusOr<UniqueFd> CloneIdmapped(const std::string& path, int userns_fd, MountAccess access) {
  UniqueFd tree(open_tree(AT_FDCWD, path.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
  if (!tree.valid()) return ErrnoStatus(absl::StrCat("open_tree ", path));
  mount_attr attr = {};
  attr.attr_set = MOUNT_ATTR_IDMAP | MOUNT_ATTR_NODEV;
  if (access == MountAccess::kReadOnly) attr.attr_set |= MOUNT_ATTR_RDONLY;
  attr.userns_fd = static_cast<uint64_t>(userns_fd);
  if (mount_setattr(tree.get(), "", AT_EMPTY_PATH, &attr, sizeof attr) != 0) {
    return ErrnoStatus(absl::StrCat("idmapped mount of ", path));
  }
  return tree;
}

absl::StatusOr<UniqueFd> MakeOverlay(const OverlaySpec& spec) {
  absl::StatusOr<UniqueFd> overlay = MakeOverlayByFd(spec);
  if (overlay.ok() || spec.scratch_dir.empty() ||
      overlay.status().code() == absl::StatusCode::kResourceExhausted) {
    return overlay;
  }
  return MakeOverlayByPath(spec);
}

absl::Status AttachMount(int mount_fd, const std::string& path) {
  if (move_mount(mount_fd, "", AT_FDCWD, path.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0) {
    return ErrnoStatus(absl::StrCat("attach a mount at ", path));
  }
  return absl::OkStatus();
}

absl::Status BindMount(const std::string& source, const std::string& path) {
  if (mount(source.c_str(), path.c_str(), nullptr, MS_BIND, nullptr) != 0) {
    return ErrnoStatus(absl::StrCat("bind mount of ", source, " at ", path));
  }
  return absl::OkStatus();
}

absl::Status MountTmpfs(const std::string& path, const std::string& options) {
  if (mount("tmpfs", path.c_str(), "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options.c_str()) !=
      0) {
    return ErrnoStatus(absl::StrCat("tmpfs at ", path));
  }
  return absl::OkStatus();
}

absl::Status DetachMount(const std::string& path) {
  if (umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0 && errno != EINVAL &&
      errno != ENOENT) {
    return ErrnoStatus(absl::StrCat("umount ", path));
  }
  return absl::OkStatus();
}

absl::Status ShareMountPoint(const std::string& path) {
  PADDOCK_ASSIGN_OR_RETURN(const std::vector<MountEntry> mounts, ReadMounts());
  const MountEntry* holder = MountThatHolds(mounts, path);
  if (holder != nullptr && holder->shared) return absl::OkStatus();
  if (holder == nullptr || holder->mount_point != path) {
    PADDOCK_RETURN_IF_ERROR(BindMount(path, path));
  }
  if (mount(nullptr, path.c_str(), nullptr, MS_SHARED, nullptr) != 0) {
    return ErrnoStatus(absl::StrCat("make the mount at ", path, " shared"));
  }
  return absl::OkStatus();
}

absl::Status DetachMountPoint(const std::string& path) {
  PADDOCK_RETURN_IF_ERROR(DetachMount(path));
  return DetachMount(path);  // Of itself.
}

absl::Status EnterPrivateMountNamespace() {
  if (unshare(CLONE_FS | CLONE_NEWNS) != 0) return ErrnoStatus("unshare(CLONE_NEWNS)");
  if (mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0) {
    return ErrnoStatus("make the mounts slaves");
  }
  return absl::OkStatus();
}

bool MountIsNeeded(const std::string& mount_point, const std::vector<std::string>& needed) {
  for (const char* system : {"/proc", "/sys", "/dev", "/usr"}) {
    if (IsOrIsBelow(mount_point, system)) return true;
  }
  return std::any_of(needed.begin(), needed.end(),
                     [&](const std::string& path) { return IsOrIsBelow(path, mount_point); });
}

absl::Status DetachOtherMounts(const std::vector<std::string>& needed) {
  PADDOCK_ASSIGN_OR_RETURN(const std::vector<MountEntry> mounts, ReadMounts());
  // The last ones lie on top.
  for (auto mount = mounts.rbegin(); mount != mounts.rend(); ++mount) {
    if (MountIsNeeded(mount->mount_point, needed)) continue;
    PADDOCK_RETURN_IF_ERROR(DetachMount(mount->mount_point));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<MountEntry>> ReadMounts() {
  // The calling thread's own table: a launcher thread has another than its process.
  PADDOCK_ASSIGN_OR_RETURN(const std::string text, ReadFile("/proc/thread-self/mountinfo"));
  return ParseMountInfo(text);
}

const MountEntry* MountThatHolds(const std::vector<MountEntry>& mounts, const std::string& path) {
  const MountEntry* holder = nullptr;
  for (const MountEntry& mount : mounts) {
    if (!IsOrIsBelow(path, mount.mount_point)) continue;
    // Of several at one place the last lies on top.
    if (holder == nullptr || mount.mount_point.size() >= holder->mount_point.size()) {
      holder = &mount;
    }
  }
  return holder;
}

std::vector<MountEntry> ParseMountInfo(const std::string& text) {
  std::vector<MountEntry> entries;
  for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const std::vector<absl::string_view> halves = absl::StrSplit(line, absl::MaxSplits(" - ", 1));
    if (halves.size() != 2) continue;
    const std::vector<absl::string_view> left = absl::StrSplit(halves[0], ' ');
    const std::vector<absl::string_view> right = absl::StrSplit(halves[1], ' ');
    if (left.size() < 6 || right.size() < 3) continue;
    MountEntry entry;
    entry.root = Unescape(left[3]);
    entry.mount_point = Unescape(left[4]);
    entry.file_system = std::string(right[0]);
    entry.source = Unescape(right[1]);
    entry.super_options = std::string(right[2]);
    entry.shared = std::any_of(left.begin() + 6, left.end(), [](absl::string_view field) {
      return absl::StartsWith(field, "shared:");
    });
    entries.push_back(std::move(entry));
  }
  return entries;
}

ScopedFsIds::ScopedFsIds(uint32_t uid, uint32_t gid) {
  setfsgid(gid);
  setfsuid(uid);
  // Leaving fsuid 0 takes the file capabilities out of effect, which the overlay needs.
  RaiseCapabilities();
  if (static_cast<uint32_t>(setfsuid(static_cast<uid_t>(-1))) != uid) {
    status_ = absl::PermissionDeniedError(absl::StrCat("setfsuid ", uid));
  }
}

ScopedFsIds::~ScopedFsIds() {
  setfsuid(geteuid());
  setfsgid(getegid());
  RaiseCapabilities();
}

}  // namespace paddock::nodeagent
