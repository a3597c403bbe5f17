#pragma once

// The network commands of the probe, see probe.cc. False for an unknown command.
bool RunNetworkCommand(int argc, char** argv);
