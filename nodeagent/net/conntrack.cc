#include "nodeagent/net/conntrack.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include <vector>

#include "common/status_macros.h"

namespace paddock::nodeagent {
namespace {

NetlinkRequest ConntrackRequest(int type, uint16_t flags) {
  NetlinkRequest request((NFNL_SUBSYS_CTNETLINK << 8) | type, flags);
  auto* family = request.Extra<nfgenmsg>();
  family->nfgen_family = AF_INET;
  family->version = NFNETLINK_V0;
  return request;
}

// How many connections the namespace tracks.
absl::StatusOr<uint32_t> CountConnections(NetlinkSocket& socket) {
  uint32_t count = 0;
  PADDOCK_RETURN_IF_ERROR(
      socket.Dump(ConntrackRequest(IPCTNL_MSG_CT_GET_STATS, 0), "counting tracked connections",
                  [&count](const nlmsghdr* message) {
                    ForEachAttribute(message, sizeof(nfgenmsg), [&](int type, const nlattr* value) {
                      if (type == CTA_STATS_GLOBAL_ENTRIES) count = ntohl(mnl_attr_get_u32(value));
                    });
                  }));
  return count;
}

// Calls `visit(type, attribute)` for each attribute inside of another.
template <typename Visit>
void ForEachNested(const nlattr* outer, Visit visit) {
  const auto* inner = static_cast<const nlattr*>(mnl_attr_get_payload(outer));
  const char* end = reinterpret_cast<const char*>(inner) + mnl_attr_get_payload_len(outer);
  while (mnl_attr_ok(inner, end - reinterpret_cast<const char*>(inner))) {
    visit(mnl_attr_get_type(inner), inner);
    inner = mnl_attr_next(inner);
  }
}

// Source address of a dumped connection; 0 if it isn't IPv4.
uint32_t SourceOf(const nlmsghdr* message) {
  uint32_t source = 0;
  ForEachAttribute(message, sizeof(nfgenmsg), [&](int type, const nlattr* tuple) {
    if (type != CTA_TUPLE_ORIG) return;
    ForEachNested(tuple, [&](int part, const nlattr* addresses) {
      if (part != CTA_TUPLE_IP) return;
      ForEachNested(addresses, [&](int which, const nlattr* address) {
        if (which == CTA_IP_V4_SRC) source = ntohl(mnl_attr_get_u32(address));
      });
    });
  });
  return source;
}

// The request that removes a connection with the addresses of a dumped message.
NetlinkRequest DeleteDumped(const nlmsghdr* message) {
  NetlinkRequest request = ConntrackRequest(IPCTNL_MSG_CT_DELETE, 0);
  ForEachAttribute(message, sizeof(nfgenmsg), [&](int type, const nlattr* attribute) {
    if (type != CTA_TUPLE_ORIG) return;
    mnl_attr_put(request.header(), attribute->nla_type, mnl_attr_get_payload_len(attribute),
                 mnl_attr_get_payload(attribute));
  });
  return request;
}

}  // namespace

absl::Status PurgeConnections(NetlinkSocket& router, NetlinkSocket& host,
                              const std::function<bool(uint32_t source)>& doomed) {
  PADDOCK_ASSIGN_OR_RETURN(uint32_t count, CountConnections(router));
  if (count == 0) return absl::OkStatus();
  std::vector<NetlinkRequest> deletions;
  PADDOCK_RETURN_IF_ERROR(router.Dump(ConntrackRequest(IPCTNL_MSG_CT_GET, NLM_F_DUMP),
                                      "listing tracked connections", [&](const nlmsghdr* message) {
                                        if (doomed(SourceOf(message)))
                                          deletions.push_back(DeleteDumped(message));
                                      }));
  for (NetlinkRequest& deletion : deletions) {
    // The host's first: it is found by way of the router's.
    for (NetlinkSocket* socket : {&host, &router}) {
      absl::Status status = socket->Execute(deletion, "removing a tracked connection");
      if (!status.ok() && !absl::IsNotFound(status)) return status;
    }
  }
  return absl::OkStatus();
}

}  // namespace paddock::nodeagent
