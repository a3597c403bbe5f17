#pragma once

#include <map>
#include <string>

namespace paddock::testing {

// Counts what sandboxes could leave behind on this machine: mounts, network and user namespaces,
// links of the router namespaces, cgroups, rules' elements, processes, and open descriptors of
// Paddock's own processes. `home` is PADDOCK_HOME of a system on this machine.
std::map<std::string, int> TakeCensus(const std::string& home);

}  // namespace paddock::testing
