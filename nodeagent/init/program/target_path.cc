#include "nodeagent/init/program/target_path.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

namespace paddock::nodeagent::program {
namespace {

constexpr int kMaxLinks = 40;  // as the kernel's
constexpr int kDirectoryFlags = O_PATH | O_DIRECTORY | O_CLOEXEC;

// Replaces `path` by what the link at its end says. False with errno.
bool ReplaceByLink(char (&path)[PATH_MAX]) {
  char link[PATH_MAX];
  ssize_t length = readlink(path, link, sizeof(link) - 1);
  if (length < 0) return false;
  link[length] = '\0';
  char* slash = link[0] == '/' ? nullptr : strrchr(path, '/');
  size_t kept = slash != nullptr ? static_cast<size_t>(slash + 1 - path) : 0;
  if (kept + static_cast<size_t>(length) >= PATH_MAX) {
    errno = ENAMETOOLONG;
    return false;
  }
  memcpy(path + kept, link, static_cast<size_t>(length) + 1);
  return true;
}

// Follows links at the end of `path` in place, and looks at what lies there.
ResolveResult FollowLinks(char (&path)[PATH_MAX], TargetPath* target) {
  for (int links = 0; links <= kMaxLinks; ++links) {
    target->exists = lstat(path, &target->existing) == 0;
    if (!target->exists) {
      return errno == ENOENT ? ResolveResult::kResolved : ResolveResult::kUnreachable;
    }
    if (!S_ISLNK(target->existing.st_mode)) {
      if (S_ISREG(target->existing.st_mode)) return ResolveResult::kResolved;
      errno = S_ISDIR(target->existing.st_mode) ? EISDIR : EINVAL;
      return ResolveResult::kWrongKind;
    }
    if (!ReplaceByLink(path)) return ResolveResult::kUnreachable;
  }
  errno = ELOOP;
  return ResolveResult::kUnreachable;
}

enum class Component { kTaken, kEnd, kTooLong };

// Takes the next name off the front of `*rest`; errno ENAMETOOLONG when it is too long.
Component TakeComponent(const char** rest, char (&name)[NAME_MAX + 1]) {
  *rest += strspn(*rest, "/");
  size_t length = strcspn(*rest, "/");
  if (length == 0) return Component::kEnd;
  if (length > NAME_MAX) {
    errno = ENAMETOOLONG;
    return Component::kTooLong;
  }
  memcpy(name, *rest, length);
  name[length] = '\0';
  *rest += length;
  return Component::kTaken;
}

// Closes `fd` and keeps errno.
void CloseQuietly(int fd) {
  int error = errno;
  close(fd);
  errno = error;
}

// Opens the deepest directory of the absolute path `directory` that exists; the rest goes to
// `missing`. -1 with errno.
int OpenAncestor(const char* directory, char (&missing)[PATH_MAX]) {
  int fd = open("/", kDirectoryFlags);
  missing[0] = '\0';
  const char* rest = directory;
  while (fd >= 0) {
    char name[NAME_MAX + 1];
    const char* here = rest;
    Component component = TakeComponent(&rest, name);
    if (component == Component::kEnd) break;
    int next = component == Component::kTaken ? openat(fd, name, kDirectoryFlags) : -1;
    if (next < 0 && component == Component::kTaken && errno == ENOENT) {
      strcpy(missing, here);
      break;
    }
    CloseQuietly(fd);
    fd = next;
  }
  return fd;
}

}  // namespace

ResolveResult ResolveTarget(const char* path, TargetPath* target) {
  static char resolved[PATH_MAX];
  if (path[0] != '/' || strlen(path) >= PATH_MAX) {
    errno = path[0] != '/' ? EINVAL : ENAMETOOLONG;
    return ResolveResult::kUnreachable;
  }
  strcpy(resolved, path);
  ResolveResult result = FollowLinks(resolved, target);
  if (result != ResolveResult::kResolved) return result;
  char* slash = strrchr(resolved, '/');
  const char* name = slash + 1;
  if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
    errno = EISDIR;
    return ResolveResult::kWrongKind;
  }
  if (strlen(name) > NAME_MAX) {
    errno = ENAMETOOLONG;
    return ResolveResult::kUnreachable;
  }
  strcpy(target->name, name);
  *slash = '\0';
  target->directory_fd = OpenAncestor(resolved, target->missing);
  return target->directory_fd >= 0 ? ResolveResult::kResolved : ResolveResult::kUnreachable;
}

int OpenParent(const TargetPath& target) {
  int directory = openat(target.directory_fd, ".", kDirectoryFlags);
  const char* rest = target.missing;
  while (directory >= 0) {
    char name[NAME_MAX + 1];
    Component component = TakeComponent(&rest, name);
    if (component == Component::kEnd) break;
    int next = -1;
    if (component == Component::kTaken &&
        (mkdirat(directory, name, 0755) == 0 || errno == EEXIST)) {
      next = openat(directory, name, kDirectoryFlags);
    }
    CloseQuietly(directory);
    directory = next;
  }
  if (directory < 0) return -1;
  // One that can be synced, too.
  int parent = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  CloseQuietly(directory);
  return parent;
}

}  // namespace paddock::nodeagent::program
