#include "nodeagent/init/program/file_commands.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

namespace paddock::nodeagent::program {
namespace {

// A whole number in `base` between 0 and `max`.
bool ParseNumber(const char* text, int base, long long max, long long* value) {
  char* end = nullptr;
  errno = 0;
  *value = strtoll(text, &end, base);
  return errno == 0 && end != text && *end == '\0' && *value >= 0 && *value <= max;
}

}  // namespace

int FileError(file_protocol::Step step, int error) {
  file_protocol::ErrorRecord record = {file_protocol::kMagic, static_cast<uint32_t>(step), error};
  WriteAll(STDERR_FILENO, &record, sizeof(record));
  return file_protocol::kFailedCode;
}

bool WriteAll(int fd, const void* data, size_t size) {
  const char* next = static_cast<const char*>(data);
  while (size > 0) {
    ssize_t written = write(fd, next, size);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    next += written;
    size -= static_cast<size_t>(written);
  }
  return true;
}

bool ReadAll(int fd, void* data, size_t size) {
  char* next = static_cast<char*>(data);
  while (size > 0) {
    ssize_t got = read(fd, next, size);
    if (got < 0 && errno == EINTR) continue;
    if (got == 0) errno = ENODATA;
    if (got <= 0) return false;
    next += got;
    size -= static_cast<size_t>(got);
  }
  return true;
}

int RunFileCommand(int argc, char** argv) {
  // A reader that went away is an error like others.
  signal(SIGPIPE, SIG_IGN);
  long long offset = 0, limit = 0, mode = 0;
  if (argc == 4 && strcmp(argv[0], "cat") == 0 &&
      ParseNumber(argv[2], 10, 0x7fffffffffffffff, &offset) &&
      ParseNumber(argv[3], 10, 0x7fffffffffffffff, &limit)) {
    return Cat(argv[1], offset, limit);
  }
  if (argc == 3 && strcmp(argv[0], "write") == 0 && ParseNumber(argv[2], 8, 07777, &mode)) {
    return Write(argv[1], static_cast<unsigned>(mode));
  }
  if (argc == 2 && strcmp(argv[0], "list") == 0) return List(argv[1]);
  return FileError(file_protocol::Step::kUsage, EINVAL);
}

}  // namespace paddock::nodeagent::program
