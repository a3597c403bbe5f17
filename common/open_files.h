#pragma once

#include <cstddef>

namespace paddock {

// Raises this process's soft limit of open files to the hard one: a server holds a descriptor for
// each connection. Returns the limit that holds now.
size_t RaiseOpenFilesLimit();

}  // namespace paddock
