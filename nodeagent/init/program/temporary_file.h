#pragma once

#include <limits.h>

namespace paddock::nodeagent::program {

// A file that has no name yet, so that nothing of it stays when this process dies: O_TMPFILE, or on
// file systems without it a hidden file, locked while its writer lives; those of dead writers are
// removed when the next one is made.
class TemporaryFile {
 public:
  TemporaryFile() = default;
  ~TemporaryFile();
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  // Makes it in the directory `directory_fd`, which must stay open. 0 or an errno.
  int Create(int directory_fd);
  int fd() const { return fd_; }
  // Gives it its name in `parent_fd` (of the same file system), in place of what has that name, all
  // at once. 0 or an errno.
  int Publish(int parent_fd, const char* name);

 private:
  int CreateNamed();
  void SweepStale();

  int fd_ = -1;
  int directory_fd_ = -1;
  char hidden_name_[64] = "";  // "": it has none
};

}  // namespace paddock::nodeagent::program
