#pragma once

#include <memory>
#include <string>

#include "nodeagent/init/init_client.h"

namespace paddock::nodeagent {

// Speaks protocol.h to the PID 1 behind the listening socket at `socket_path`, one connection a
// command. Holds nothing in between, so it may be made before the sandbox runs and kept as long as
// the session.
std::unique_ptr<InitClient> MakeInitClient(std::string socket_path);

}  // namespace paddock::nodeagent
