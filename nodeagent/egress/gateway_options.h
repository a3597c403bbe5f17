#pragma once

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace paddock::nodeagent {

// What one gateway process needs to know; one per agent.
struct GatewayOptions {
  std::string directory;  // Paths::GatewayDir(); made if it is missing.
  std::string instance;   // See NetworkPlan.
  std::string subnet;     // See NetworkPlan.
  // Addresses or networks that no sandbox may reach beside the built-in ranges and the node's own
  // addresses (which are followed as they change): the control plane, the database. Resolved
  // already; kept up to date by starting GatewayProcess again with others.
  std::vector<std::string> blocked;
  // The operator's extensions, re-read when it changes; may be missing. A line each:
  //   block <network or address>    allow <network> (takes it out of the built-in ranges)
  //   block-host <name>             block-host *.<domain>
  std::string operator_file;
  std::string resolv_conf = "/etc/resolv.conf";  // Where the upstream resolvers stand.
  int max_connections_per_session = 4096;        // Tracked connections (conntrack entries).
  // Re-executed as `<binary> gateway --config=…`.
  std::string binary = "/proc/self/exe";

  std::string Socket() const { return absl::StrCat(directory, "/gateway.sock"); }
  std::string RouterNetns() const { return absl::StrCat(directory, "/router.netns"); }
  std::string ConfigFile() const { return absl::StrCat(directory, "/config.json"); }
  std::string PidFile() const { return absl::StrCat(directory, "/gateway.pid"); }
  std::string LockFile() const { return absl::StrCat(directory, "/gateway.lock"); }
  std::string LogFile() const { return absl::StrCat(directory, "/gateway.log"); }
  std::string SessionsDir() const { return absl::StrCat(directory, "/sessions"); }
  std::string NamesDir() const { return absl::StrCat(directory, "/names"); }
  std::string EventsDir() const { return absl::StrCat(directory, "/events"); }
  std::string ConnectionsFile() const { return absl::StrCat(directory, "/connections"); }
  std::string FenceFile() const { return absl::StrCat(directory, "/fence.json"); }
};

}  // namespace paddock::nodeagent
