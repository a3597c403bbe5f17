#pragma once

#include <stddef.h>
#include <stdint.h>

namespace paddock::nodeagent::program {

// What a command's payload says; pointers into it. The lists are NULL-terminated.
struct Payload {
  const char* user;
  const char* directory;
  char** arguments;
  char** environment;
};

// Takes apart `size` bytes at `data` (see protocol.h), which must live as long as the result.
// False when it isn't exactly what the counts promise, or without memory.
bool ParsePayload(char* data, size_t size, uint32_t argument_count, uint32_t environment_count,
                  Payload* payload);

}  // namespace paddock::nodeagent::program
