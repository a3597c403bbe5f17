#pragma once

namespace paddock::nodeagent::program {

// Kills every process that descends from the calling one, a child subreaper, until none is left.
// What forks meanwhile is found by the next round; gives up after a bounded number of them, so that
// a sandbox that hides /proc can't keep the caller for ever.
void KillDescendants();

}  // namespace paddock::nodeagent::program
