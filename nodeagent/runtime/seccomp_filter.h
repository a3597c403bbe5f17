#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace paddock::nodeagent {

// The seccomp profile of every sandbox, as the OCI runtime specification writes it (linux.seccomp),
// for this machine's architecture.
nlohmann::json SeccompProfile();

// `profile` compiled to BPF instructions (struct sock_filter, as they lie in memory). Names of
// system calls that this machine's architecture lacks are left out. INVALID_ARGUMENT says what is
// wrong with a profile.
absl::StatusOr<std::string> CompileSeccompFilter(const nlohmann::json& profile);

}  // namespace paddock::nodeagent
