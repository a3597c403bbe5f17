#pragma once

namespace paddock::nodeagent::program {

// Executes `arguments` with `environment`, searching the PATH in it for names without a slash. The
// path of this very program always means `program_fd`. Says what went wrong on standard error and
// exits with 127 (not found) or 126.
[[noreturn]] void Execute(char* const* arguments, char* const* environment, int program_fd);

}  // namespace paddock::nodeagent::program
