#pragma once

#include <string>
#include <vector>

namespace paddock::nodeagent {

// SIGKILLs every process in the cgroups at `directories` (one per hierarchy, v1 or v2) and below
// them, once; a fork bomb may need several rounds. True when none was there to kill. Directories
// that are gone are empty.
bool KillCgroupsOnce(const std::vector<std::string>& directories);

}  // namespace paddock::nodeagent
