#pragma once

namespace paddock {

// Raises this process's soft limit of open files to the hard one: a server holds a descriptor for
// each connection. Leaves it alone when that can't be done.
void RaiseOpenFilesLimit();

}  // namespace paddock
