#pragma once

#include <stdint.h>

#include "nodeagent/init/program/user_database.h"

namespace paddock::nodeagent::program {

// The value of `name` in a NULL-terminated environment, nullptr without one.
const char* FindVariable(char* const* environment, const char* name);

// The environment of a command, NULL-terminated: PID 1's `own`, over it HOME, USER and LOGNAME of
// `user` (and TERM for a terminal that has none), over it the `count` requested NAME=value strings.
// The strings stay where they are; the list is allocated. nullptr without memory.
char** BuildEnvironment(char* const* own, char* const* requested, uint32_t count, const User& user,
                        bool terminal);

}  // namespace paddock::nodeagent::program
