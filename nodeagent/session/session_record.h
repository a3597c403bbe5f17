#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nodeagent/runtime/container_runtime.h"
#include "nodeagent/session/session_types.h"

namespace paddock::nodeagent {

// The part of a namespace pair that outlives this process.
struct PairRecord {
  int index = -1;
  uint32_t uid_base = 0;
  std::string address;
  std::string gateway;
  std::string router_veth;
};

// What session.json holds: enough to adopt a running session or to remove a half-made one. Volumes,
// cgroups and gateway entries carry the session's id and are found by it; slot and process aren't,
// so they are written down before the next step acts.
struct SessionRecord {
  SessionSpec spec;
  SessionStatus status;
  std::string boot_id;  // Of the boot in which its kernel resources were made.
  int start_attempts = 0;
  std::optional<PairRecord> pair;
  std::string runtime;  // Name of the OCI runtime that started the container.
  std::optional<RunningContainer> container;
  // Execs whose command has ended but left processes behind; they survive a restart of the agent.
  std::set<std::string> background_execs;
  // With allow_package_managers: the registries as they were when it was started.
  std::vector<std::string> registry_hosts;
  // Nothing of it is left on this node but this record (and, with keep_volume, its volume).
  bool removed = false;

  // The volume outlives a failed or lost start until somebody stops the session.
  bool KeepsVolume() const;
  // All that the session may reach.
  NetworkPolicy Policy() const;
};

std::string EncodeSessionRecord(const SessionRecord& record);
// INVALID_ARGUMENT when `json` isn't a record that EncodeSessionRecord wrote.
absl::StatusOr<SessionRecord> DecodeSessionRecord(absl::string_view json);

}  // namespace paddock::nodeagent
