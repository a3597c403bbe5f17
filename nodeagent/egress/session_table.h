#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nodeagent/egress/gateway_client.h"

namespace paddock::nodeagent {

// The sessions that the gateway process serves: one file each, so that a change costs the same
// however many there are. Files needn't survive a power cut, because what they describe doesn't
// either; those of an earlier boot are removed. Not thread-safe.
class SessionTable {
 public:
  struct Entry {
    GatewaySession session;
    bool killed = false;  // By the fence, since the session was put.
  };
  // Reads what is in `directory`, which is made if it is missing. A file that can't be understood
  // is removed: its session has no network until it is put again.
  static absl::StatusOr<SessionTable> Load(const std::string& directory,
                                           const std::string& boot_id);

  // Persists, then changes what Find and All return. INVALID_ARGUMENT for an id that can't be a
  // file name; ALREADY_EXISTS if another session has the address.
  absl::Status Put(const GatewaySession& session);
  absl::Status MarkKilled(const std::string& session_id);
  // OK if it isn't there.
  absl::Status Remove(const std::string& session_id);
  // Null if it isn't there; valid until the next change.
  const Entry* Find(const std::string& session_id) const;
  const Entry* FindByAddress(const std::string& address) const;
  const std::map<std::string, Entry>& All() const { return entries_; }

 private:
  SessionTable(std::string directory, std::string boot_id)
      : directory_(std::move(directory)), boot_id_(std::move(boot_id)) {}
  absl::Status Persist(const Entry& entry) const;
  absl::StatusOr<Entry> Read(const std::string& path) const;
  std::string PathOf(const std::string& session_id) const;

  std::string directory_;
  std::string boot_id_;
  std::map<std::string, Entry> entries_;
  absl::flat_hash_map<std::string, std::string> id_of_address_;
};

}  // namespace paddock::nodeagent
