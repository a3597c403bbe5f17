#pragma once

#include <stddef.h>
#include <sys/types.h>

namespace paddock::nodeagent::program {

inline constexpr size_t kMaxGroups = 128;

// Who a command runs as.
struct User {
  uid_t uid;
  gid_t gid;
  gid_t groups[kMaxGroups];  // supplementary ones, the primary one among them
  size_t group_count;
  char name[256];
  char home[4096];
};

enum class LookUpResult { kFound, kNoSuchUser, kNoSuchGroup };

// Resolves `spec` ("", "name", "uid", each optionally with ":group" or ":gid") with files in the
// format of /etc/passwd and /etc/group. Both files are the sandbox's, so anything may lie there:
// what isn't a regular file counts as empty, malformed and overlong lines are skipped, and reading
// is bounded. Names go before numbers. A number that has no entry is taken as it is, with group 0
// and home "/". With a group in `spec` that is the only one, as with Docker.
LookUpResult LookUpUser(const char* spec, const char* passwd_path, const char* group_path,
                        User* user);

}  // namespace paddock::nodeagent::program
