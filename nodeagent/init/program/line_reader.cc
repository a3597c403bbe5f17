#include "nodeagent/init/program/line_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace paddock::nodeagent::program {
namespace {

char buffer[4096];
char line[LineReader::kMaxLine];

}  // namespace

LineReader::LineReader(const char* path) {
  // O_NONBLOCK: a FIFO in its place must not hold us.
  fd_ = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  struct stat info;
  if (fd_ >= 0 && (fstat(fd_, &info) != 0 || !S_ISREG(info.st_mode))) {
    close(fd_);
    fd_ = -1;
  }
}

LineReader::~LineReader() {
  if (fd_ >= 0) close(fd_);
}

int LineReader::NextByte() {
  if (position_ == size_) {
    if (fd_ < 0 || total_ >= kMaxBytes) return -1;
    ssize_t got = read(fd_, buffer, sizeof(buffer));
    if (got <= 0) return -1;
    position_ = 0;
    size_ = static_cast<size_t>(got);
    total_ += size_;
  }
  return static_cast<unsigned char>(buffer[position_++]);
}

char* LineReader::Next() {
  size_t length = 0;
  for (;;) {
    int byte = NextByte();
    if (byte < 0 && length == 0) return nullptr;
    if (byte < 0 || byte == '\n') {
      if (length < kMaxLine) {
        line[length] = '\0';
        return line;
      }
      if (byte < 0) return nullptr;
      length = 0;
      continue;
    }
    // A full line stays full until its end is seen.
    if (length < kMaxLine - 1) {
      line[length++] = static_cast<char>(byte);
    } else {
      length = kMaxLine;
    }
  }
}

}  // namespace paddock::nodeagent::program
