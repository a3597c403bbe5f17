#include "common/open_files.h"

#include <sys/resource.h>

namespace paddock {

size_t RaiseOpenFilesLimit() {
  constexpr size_t kUsual = 1024;
  struct rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return kUsual;
  const rlim_t before = limit.rlim_cur;
  limit.rlim_cur = limit.rlim_max;
  return static_cast<size_t>(setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : before);
}

}  // namespace paddock
