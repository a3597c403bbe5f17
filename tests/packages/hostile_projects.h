#pragma once

#include <map>
#include <string>

namespace paddock::testing {

// Files for a base image: Python projects /opt/<name>, whose build does what the name says: loop,
// fill (the disk), hog (memory), fork, reach (the host refused.example), leave (a process behind).
std::map<std::string, std::string> HostileProjects();

// Such a project that isn't hostile: its build fetches a text from `url`, and gives a module
// `fetched` with that as TEXT.
std::map<std::string, std::string> FetchingProject(const std::string& name, const std::string& url);

// Files that make apt and pip ask a registry where nobody listens.
std::map<std::string, std::string> DeafRegistries();

}  // namespace paddock::testing
