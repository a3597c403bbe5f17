// Egress events as JSON; see gateway_json.h.

#include "absl/time/time.h"
#include "common/status_macros.h"
#include "nodeagent/egress/gateway_json.h"

namespace paddock::nodeagent {

using nlohmann::json;

json ToJson(const EgressEvent& event) {
  return {{"sequence", event.sequence},
          {"time_ns", absl::ToUnixNanos(event.time)},
          {"name", event.name},
          {"address", event.address},
          {"port", event.port},
          {"protocol", event.protocol},
          {"allowed", event.allowed ? 1 : 0},
          {"reason", event.reason},
          {"bytes_sent", event.bytes_sent},
          {"bytes_received", event.bytes_received}};
}

absl::StatusOr<EgressEvent> EventFromJson(const json& object) {
  EgressEvent event;
  if (!object.is_object()) return absl::InvalidArgumentError("event is no object");
  PADDOCK_ASSIGN_OR_RETURN(event.sequence, IntField(object, "sequence"));
  PADDOCK_ASSIGN_OR_RETURN(int64_t nanoseconds, IntField(object, "time_ns"));
  event.time = absl::FromUnixNanos(nanoseconds);
  PADDOCK_ASSIGN_OR_RETURN(event.name, StringField(object, "name"));
  PADDOCK_ASSIGN_OR_RETURN(event.address, StringField(object, "address"));
  PADDOCK_ASSIGN_OR_RETURN(int64_t port, IntField(object, "port"));
  event.port = static_cast<int>(port);
  PADDOCK_ASSIGN_OR_RETURN(event.protocol, StringField(object, "protocol"));
  PADDOCK_ASSIGN_OR_RETURN(int64_t allowed, IntField(object, "allowed"));
  event.allowed = allowed != 0;
  PADDOCK_ASSIGN_OR_RETURN(event.reason, StringField(object, "reason"));
  PADDOCK_ASSIGN_OR_RETURN(event.bytes_sent, IntField(object, "bytes_sent"));
  PADDOCK_ASSIGN_OR_RETURN(event.bytes_received, IntField(object, "bytes_received"));
  return event;
}

json ToJson(const EgressPage& page) {
  json events = json::array();
  for (const EgressEvent& event : page.events) events.push_back(ToJson(event));
  return {{"events", std::move(events)}, {"more", page.more ? 1 : 0}};
}

absl::StatusOr<EgressPage> PageFromJson(const json& object) {
  EgressPage page;
  PADDOCK_ASSIGN_OR_RETURN(int64_t more, IntField(object, "more"));
  page.more = more != 0;
  auto events = object.find("events");
  if (events == object.end() || !events->is_array()) {
    return absl::InvalidArgumentError("field \"events\" is missing or wrong");
  }
  for (const json& item : *events) {
    PADDOCK_ASSIGN_OR_RETURN(EgressEvent event, EventFromJson(item));
    page.events.push_back(std::move(event));
  }
  return page;
}

}  // namespace paddock::nodeagent
