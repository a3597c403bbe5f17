#pragma once

#include <map>
#include <string>

namespace paddock::testing {

// Files for a base image: Python projects /opt/<name>, whose build does what the name says: loop,
// fill (the disk), hog (memory), fork, reach (the host refused.example), leave (a process behind).
std::map<std::string, std::string> HostileProjects();

// Files that make apt and pip ask a registry where nobody listens.
std::map<std::string, std::string> DeafRegistries();

}  // namespace paddock::testing
