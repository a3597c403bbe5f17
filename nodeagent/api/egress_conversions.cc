#include "nodeagent/api/egress_conversions.h"

#include "common/proto_time.h"

namespace paddock::nodeagent {

void EventToProto(const EgressEvent& event, internal::v1::NodeEgressEvent* proto) {
  proto->set_sequence(event.sequence);
  v1::EgressEvent* told = proto->mutable_event();
  *told->mutable_time() = ToTimestamp(event.time);
  told->set_name(event.name);
  told->set_address(event.address);
  told->set_port(event.port);
  told->set_protocol(event.protocol);
  told->set_verdict(event.allowed ? v1::EGRESS_VERDICT_ALLOWED : v1::EGRESS_VERDICT_DENIED);
  told->set_reason(event.reason);
  told->set_bytes_sent(event.bytes_sent);
  told->set_bytes_received(event.bytes_received);
}

}  // namespace paddock::nodeagent
