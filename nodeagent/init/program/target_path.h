#pragma once

#include <limits.h>
#include <sys/stat.h>

namespace paddock::nodeagent::program {

// Where a file shall appear, taken apart before anything is changed.
struct TargetPath {
  int directory_fd;         // The deepest ancestor that exists; the caller closes it.
  char missing[PATH_MAX];   // Directories to be made below it, "" for none.
  char name[NAME_MAX + 1];  // The file's own name.
  bool exists;
  struct stat existing;  // when it exists: a regular file
};

enum class ResolveResult {
  kResolved,
  kUnreachable,  // errno says why
  kWrongKind,    // something else than a regular file has that name: errno EISDIR or EINVAL
};

// `path` is absolute. A symbolic link at its end is followed (those before it by the kernel), also
// a dangling one, as `cat > path` would.
ResolveResult ResolveTarget(const char* path, TargetPath* target);

// Makes the missing directories (mode 0755) and returns a descriptor of the file's directory; -1
// with errno.
int OpenParent(const TargetPath& target);

}  // namespace paddock::nodeagent::program
