#pragma once

#include <stdint.h>
#include <sys/types.h>

namespace paddock::nodeagent::program {

// Both ends of a command's stdio: `own` become its descriptors 0, 1 and 2, the first
// `agent_count` of `agent` go to the agent. All are close-on-exec.
struct Streams {
  int own[3];
  int agent[3];
  int agent_count;
};

// Makes three pipes. 0 or an errno.
int MakePipes(Streams* streams);

// Opens a terminal of the sandbox's own devpts and makes it the controlling terminal of the calling
// process, a session leader without one. 0 or an errno.
int MakeTerminal(uint16_t rows, uint16_t columns, Streams* streams);

// Descriptors 0, 1 and 2 as they are; nothing goes to the agent.
void UseInherited(Streams* streams);

// Makes the calling process's group the foreground group of the terminal that is its standard
// input. Best effort.
void TakeForeground();

// Gives the command's ends to `owner`, who may then reopen /dev/stderr or the terminal. 0 or an
// errno: EINVAL for a user outside of the sandbox's range of ids.
int GiveStreams(const Streams& streams, uid_t owner);

}  // namespace paddock::nodeagent::program
