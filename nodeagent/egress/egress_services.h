#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "nodeagent/egress/connection_table.h"
#include "nodeagent/egress/deadlines.h"
#include "nodeagent/egress/event_loop.h"
#include "nodeagent/egress/held_account.h"
#include "nodeagent/egress/host_resolver.h"

namespace paddock::nodeagent {

// What all connections of the gateway share; outlives them. One thread.
struct EgressServices {
  EventLoop* loop = nullptr;
  Deadlines* deadlines = nullptr;
  HostResolver* resolver = nullptr;
  ConnectionTable* connections = nullptr;
  // Whether no sandbox may reach the address (host byte order), as the lists are now.
  std::function<bool(uint32_t address)> is_blocked;
  // Whether the operator blocks the name, as the file is now.
  std::function<bool(absl::string_view name)> is_name_blocked;
  // The operator's file has an error, so that no address may be reached.
  bool operator_file_refused = false;
  // Where bytes are read to and sent on from; what can't be sent at once is copied out of it.
  std::vector<char> buffer = std::vector<char>(256 * 1024);
  // Bytes that wait in connections for their receivers.
  int64_t stuck_bytes = 0;
  // Bytes that wait to be judged.
  HeldBytes held;
  // Dials of all sessions that aren't connected yet.
  int64_t dials = 0;
  // By verdict; see GatewayStats::egress_verdicts.
  std::map<std::string, int64_t> verdicts;

  // How much to read at once: less when much is stuck already, so that many receivers that don't
  // read can't fill the memory.
  size_t ReadSize() const {
    constexpr int64_t kMuch = 32 << 20;
    constexpr size_t kLittle = 16 * 1024;
    return stuck_bytes < kMuch ? buffer.size() : kLittle;
  }
};

}  // namespace paddock::nodeagent
