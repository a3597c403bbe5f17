#pragma once

#include "controlplane/core/resources.h"
#include "controlplane/core/settings.h"
#include "controlplane/store/row_reader.h"

namespace paddock {

// What a node says about itself at its start, from `nodes n`: changes seldom, and is long.
#define PADDOCK_NODE_DESCRIPTION                                                        \
  "n.name, n.address, n.boot_id, n.labels, n.runtime_classes, n.images, n.base_image, " \
  "n.details, n.created_at"
// What placements and heartbeats change, from `node_state s` and `node_heartbeats h`.
#define PADDOCK_NODE_CONDITION                                                           \
  "s.revision, s.cordoned, s.draining, s.drain_deadline, s.capacity_cpu, "               \
  "s.capacity_memory, s.capacity_disk, s.capacity_sessions, s.used_cpu, s.used_memory, " \
  "s.used_disk, s.used_sessions, h.epoch, h.counter, h.not_schedulable, "                \
  "h.last_heartbeat_at, extract(epoch FROM clock_timestamp() - h.last_heartbeat_at)::float8"
#define PADDOCK_NODE_FROM                                                          \
  " FROM nodes n JOIN node_state s ON s.node_id = n.id JOIN node_heartbeats h ON " \
  "h.node_id = n.id "

// Read these columns, in their order, into `node`.
void ReadNodeDescription(RowReader& reader, Node* node);
void ReadNodeCondition(RowReader& reader, const Settings& settings, Node* node);

}  // namespace paddock
