#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace paddock::nodeagent {

// Pure: which of `specs` (or which package that one of them needs) a manager's output blames; empty
// when it names none. The output comes out of a sandbox and is only ever searched.
std::string FailedPackage(absl::string_view manager, const std::vector<std::string>& specs,
                          absl::string_view output);

// Pure: whether the output says that `spec` isn't for this version of the interpreter.
bool BlamesInterpreter(absl::string_view manager, absl::string_view spec, absl::string_view output);

// Pure: whether the output says that nobody answered where the manager asked.
bool BlamesRegistry(absl::string_view output);

// Pure: whether the output says that the disk was full.
bool BlamesDisk(absl::string_view output);

}  // namespace paddock::nodeagent
