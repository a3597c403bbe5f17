#pragma once

namespace paddock::testing {

// Agents that a process may have at once.
inline constexpr int kAgentsOfSlot = 4;

// What package tests that run at once on a machine must not share (names, addresses, ids) goes by
// this number, from 0 on: this process's until it ends. Where all are taken, the first call waits
// for one. Thread-safe.
int TestSlot();

}  // namespace paddock::testing
