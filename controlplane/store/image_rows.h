// What several transactions of images have in common.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "controlplane/core/image_store.h"
#include "controlplane/core/settings.h"
#include "controlplane/store/sql.h"

namespace paddock {

// The columns that ReadLayer reads, of `layers`.
#define PADDOCK_LAYER_COLUMNS                                   \
  "cache_key, digest, parent, manager, toolchain, size_bytes, " \
  "extract(epoch FROM build_duration)::float8, registry_hosts, other_hosts, built_at"

Layer ReadLayer(const pqxx::row& row);

// Locks the environment; nullopt when there is none.
std::optional<Environment> LockEnvironment(Transaction& transaction, const EnvironmentId& id);

// The same; nullopt unless its image is that generation's and unsettled.
std::optional<Environment> LockUnsettled(Transaction& transaction, const EnvironmentId& id,
                                         int64_t generation);

// Stores `image`, and the key that it waits for; a changed one gets a higher revision. updated_at
// is the user's and stays.
void WriteImage(Transaction& transaction, const EnvironmentId& id, const EnvironmentImage& image,
                const std::optional<std::string>& key);

// Environments whose images wait for `cache_key`.
std::vector<EnvironmentId> WaitingFor(Transaction& transaction, const std::string& cache_key);

// Of the environment, whose image is READY now and which is locked: its sessions that wait for the
// image are pinned to it and queue.
void PinSessions(Transaction& transaction, const Environment& environment,
                 const Settings& settings);

// They end instead.
void EndSessions(Transaction& transaction, const EnvironmentId& id, const std::string& message);

// Replaces the node's images by what `change` makes of them.
void ChangeImages(Transaction& transaction, const NodeId& node,
                  const std::function<void(std::vector<std::string>*)>& change);

}  // namespace paddock
