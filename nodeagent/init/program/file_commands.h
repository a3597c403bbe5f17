#pragma once

#include <stddef.h>

#include "nodeagent/init/file_protocol.h"

namespace paddock::nodeagent::program {

// Runs `cat <path> <offset> <limit>`, `write <path> <mode>` or `list <path>` and returns the exit
// code; formats in file_protocol.h.
int RunFileCommand(int argc, char** argv);

// Each returns the exit code. Paths are resolved by this process, so inside the sandbox.
// Writes at most `limit` bytes (0: all) of a regular file from `offset` on to standard output.
int Cat(const char* path, long long offset, long long limit);
// Puts standard input at `path`, whole or not at all. `mode` 0: that of the file it replaces, 0644
// for a new one. Its owner stays too; a symbolic link is followed; missing parents are made.
int Write(const char* path, unsigned mode);
// Writes the entries of a directory to standard output.
int List(const char* path);

// Reports a failure on standard error; returns the exit code.
int FileError(file_protocol::Step step, int error);

// Writes or reads all of it; false with errno set (end of input: ENODATA).
bool WriteAll(int fd, const void* data, size_t size);
bool ReadAll(int fd, void* data, size_t size);

}  // namespace paddock::nodeagent::program
