#include "nodeagent/init/program/foreground.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

namespace paddock::nodeagent::program {
namespace {

// Writes "/proc/<pid>/stat".
void StatPath(pid_t pid, char (&path)[32]) {
  char digits[12];
  char* first = digits + sizeof(digits);
  *--first = '\0';
  for (; pid > 0; pid /= 10) *--first = static_cast<char>('0' + pid % 10);
  strcpy(path, "/proc/");
  strcat(path, first);
  strcat(path, "/stat");
}

}  // namespace

pid_t ForegroundGroup(pid_t pid) {
  char text[1024];
  char path[32];
  StatPath(pid, path);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  ssize_t size = read(fd, text, sizeof(text) - 1);
  close(fd);
  if (size <= 0) return -1;
  text[size] = '\0';
  // "pid (name) state ppid pgrp session tty_nr tpgid …"; the name may hold anything.
  const char* next = strrchr(text, ')');
  for (int field = 0; field < 6 && next != nullptr; ++field) {
    next = strchr(next + 1, ' ');
  }
  return next != nullptr ? static_cast<pid_t>(strtol(next, nullptr, 10)) : -1;
}

}  // namespace paddock::nodeagent::program
