#pragma once

#include <sys/types.h>

namespace paddock::nodeagent::program {

// The foreground process group of the terminal that `pid` is attached to, from /proc; -1 without
// one. Numbers are those of this process's pid namespace.
pid_t ForegroundGroup(pid_t pid);

}  // namespace paddock::nodeagent::program
