#pragma once

#include <stddef.h>

namespace paddock::nodeagent::program {

// Reads a text file line by line with fixed buffers. Whatever isn't a readable regular file is
// empty; lines that don't fit are skipped; it stops after kMaxBytes. One at a time: the buffers are
// static, so that they cost nothing until used.
class LineReader {
 public:
  static constexpr size_t kMaxLine = 64 * 1024;
  static constexpr size_t kMaxBytes = 16 * 1024 * 1024;

  explicit LineReader(const char* path);
  ~LineReader();
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;

  // The next line without its end, NUL-terminated, writable until the next call; nullptr at the
  // end.
  char* Next();

 private:
  // The next byte, -1 at the end.
  int NextByte();

  int fd_ = -1;
  size_t position_ = 0;
  size_t size_ = 0;
  size_t total_ = 0;
};

}  // namespace paddock::nodeagent::program
