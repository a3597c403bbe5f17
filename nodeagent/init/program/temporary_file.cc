#include "nodeagent/init/program/temporary_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

namespace paddock::nodeagent::program {
namespace {

constexpr char kPrefix[] = ".paddock-write-";
constexpr int kAttempts = 16;
constexpr int kSweptAtMost = 4096;  // directory entries that are looked at

// kPrefix and 16 random hexadecimal digits.
void RandomName(char (&name)[64]) {
  uint64_t random = 0;
  if (getrandom(&random, sizeof(random), 0) != sizeof(random)) {
    random = static_cast<uint64_t>(getpid());
  }
  strcpy(name, kPrefix);
  char* next = name + sizeof(kPrefix) - 1;
  for (int i = 0; i < 16; ++i, random >>= 4) *next++ = "0123456789abcdef"[random & 15];
  *next = '\0';
}

// "/proc/self/fd/<fd>".
void DescriptorPath(int fd, char (&path)[32]) {
  char digits[12];
  char* first = digits + sizeof(digits);
  *--first = '\0';
  do {
    *--first = static_cast<char>('0' + fd % 10);
    fd /= 10;
  } while (fd > 0);
  strcpy(path, "/proc/self/fd/");
  strcat(path, first);
}

bool HasName(int fd) {
  struct stat info;
  return fstat(fd, &info) == 0 && info.st_nlink > 0;
}

}  // namespace

TemporaryFile::~TemporaryFile() {
  if (hidden_name_[0] != '\0') unlinkat(directory_fd_, hidden_name_, 0);
  if (fd_ >= 0) close(fd_);
}

int TemporaryFile::Create(int directory_fd) {
  directory_fd_ = directory_fd;
  fd_ = openat(directory_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd_ >= 0) return 0;
  if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL) return errno;
  SweepStale();
  return CreateNamed();
}

int TemporaryFile::CreateNamed() {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    RandomName(hidden_name_);
    fd_ = openat(directory_fd_, hidden_name_, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd_ < 0) {
      hidden_name_[0] = '\0';
      if (errno != EEXIST) return errno;
      continue;
    }
    // Another writer's sweep may have come between the two.
    if (flock(fd_, LOCK_EX | LOCK_NB) == 0 && HasName(fd_)) return 0;
    close(fd_);
    fd_ = -1;
  }
  hidden_name_[0] = '\0';
  return EEXIST;
}

void TemporaryFile::SweepStale() {
  int fd = openat(directory_fd_, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* directory = fd >= 0 ? fdopendir(fd) : nullptr;
  if (directory == nullptr) {
    if (fd >= 0) close(fd);
    return;
  }
  for (int seen = 0; seen < kSweptAtMost; ++seen) {
    struct dirent* entry = readdir(directory);
    if (entry == nullptr) break;
    if (strncmp(entry->d_name, kPrefix, sizeof(kPrefix) - 1) != 0) continue;
    int file = openat(fd, entry->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (file < 0) continue;
    if (flock(file, LOCK_EX | LOCK_NB) == 0) unlinkat(fd, entry->d_name, 0);
    close(file);
  }
  closedir(directory);
}

int TemporaryFile::Publish(int parent_fd, const char* name) {
  if (hidden_name_[0] != '\0') {
    if (renameat(directory_fd_, hidden_name_, parent_fd, name) != 0) return errno;
    hidden_name_[0] = '\0';
    return 0;
  }
  char self[32];
  DescriptorPath(fd_, self);
  if (linkat(AT_FDCWD, self, parent_fd, name, AT_SYMLINK_FOLLOW) == 0) return 0;
  // A name can't be taken over by link: take a hidden one first, for the blink of an eye.
  for (int attempt = 0; errno == EEXIST && attempt < kAttempts; ++attempt) {
    char hidden[64];
    RandomName(hidden);
    if (linkat(AT_FDCWD, self, parent_fd, hidden, AT_SYMLINK_FOLLOW) != 0) continue;
    if (renameat(parent_fd, hidden, parent_fd, name) == 0) return 0;
    int error = errno;
    unlinkat(parent_fd, hidden, 0);
    return error;
  }
  return errno;
}

}  // namespace paddock::nodeagent::program
