#include "controlplane/store/node_rows.h"

#include "controlplane/core/node_state.h"
#include "controlplane/store/json_codec.h"

namespace paddock {

void ReadNodeDescription(RowReader& reader, Node* node) {
  node->name = reader.String();
  node->address = reader.String();
  node->boot_id = reader.String();
  node->labels = DecodeMap(reader.Text());
  node->runtime_classes = DecodeStrings(reader.Text());
  node->images = DecodeStrings(reader.Text());
  node->base_image = reader.String();
  node->details = DecodeMap(reader.Text());
  node->created_at = reader.Time();
}

void ReadNodeCondition(RowReader& reader, const Settings& settings, Node* node) {
  node->revision = reader.Integer();
  node->cordoned = reader.Boolean();
  node->draining = reader.Boolean();
  node->drain_deadline = reader.OptionalTime();
  for (NodeResources* resources : {&node->capacity, &node->used}) {
    resources->cpu_millis = reader.Integer();
    resources->memory_bytes = reader.Integer();
    resources->disk_bytes = reader.Integer();
    resources->sessions = reader.Integer();
  }
  node->epoch = reader.String();
  node->heartbeat_counter = reader.Integer();
  node->not_schedulable_reason = reader.String();
  node->last_heartbeat_at = reader.OptionalTime();
  node->silent_for = reader.Seconds();
  SetNodeState(settings, node);
}

}  // namespace paddock
