#include "nodeagent/net/session_elements.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <net/if.h>

#include <cstring>
#include <utility>

#include "common/status_macros.h"

namespace paddock::nodeagent {
namespace {

// The key of the set: an IPv4 address and an interface name, each padded to whole registers.
struct ElementKey {
  uint32_t address;  // Network byte order.
  char interface[IFNAMSIZ];
};
static_assert(sizeof(ElementKey) == 20);

const char* SetName(SessionSet set) {
  switch (set) {
    case SessionSet::kUnrestricted:
      return "unrestricted";
    case SessionSet::kLimited:
      return "limited";
  }
  return "";
}

NetlinkRequest NftRequest(int type, uint16_t flags) {
  NetlinkRequest request((NFNL_SUBSYS_NFTABLES << 8) | type, flags);
  auto* family = request.Extra<nfgenmsg>();
  family->nfgen_family = NFPROTO_INET;
  family->version = NFNETLINK_V0;
  return request;
}

NetlinkRequest BatchRequest(int type) {
  NetlinkRequest request(type);
  request.WithoutAck();
  auto* family = request.Extra<nfgenmsg>();
  family->nfgen_family = AF_UNSPEC;
  family->version = NFNETLINK_V0;
  family->res_id = htons(NFNL_SUBSYS_NFTABLES);
  return request;
}

}  // namespace

absl::StatusOr<SessionElements> SessionElements::Open() {
  PADDOCK_ASSIGN_OR_RETURN(NetlinkSocket socket, NetlinkSocket::Open(NETLINK_NETFILTER));
  return SessionElements(std::move(socket));
}

absl::Status SessionElements::Add(SessionSet set, const SessionElement& element) {
  return Change(NFT_MSG_NEWSETELEM, NLM_F_CREATE, set, element, "letting a session out");
}

absl::Status SessionElements::Remove(SessionSet set, const SessionElement& element) {
  absl::Status status = Change(NFT_MSG_DELSETELEM, 0, set, element, "removing a session's rule");
  return absl::IsNotFound(status) ? absl::OkStatus() : status;
}

absl::Status SessionElements::Change(int type, uint16_t flags, SessionSet set,
                                     const SessionElement& element, absl::string_view what) {
  PADDOCK_ASSIGN_OR_RETURN(uint32_t address, ParseIpv4(element.address));
  if (element.interface.empty() || element.interface.size() >= IFNAMSIZ) {
    return absl::InvalidArgumentError("not an interface name");
  }
  ElementKey key = {};
  key.address = htonl(address);
  memcpy(key.interface, element.interface.data(), element.interface.size());

  NetlinkRequest request = NftRequest(type, flags);
  nlmsghdr* header = request.header();
  mnl_attr_put_strz(header, NFTA_SET_ELEM_LIST_TABLE, NetworkPlan::kRouterTable);
  mnl_attr_put_strz(header, NFTA_SET_ELEM_LIST_SET, SetName(set));
  nlattr* list = mnl_attr_nest_start(header, NFTA_SET_ELEM_LIST_ELEMENTS);
  nlattr* item = mnl_attr_nest_start(header, NFTA_LIST_ELEM);
  nlattr* wrapped = mnl_attr_nest_start(header, NFTA_SET_ELEM_KEY);
  mnl_attr_put(header, NFTA_DATA_VALUE, sizeof(key), &key);
  mnl_attr_nest_end(header, wrapped);
  mnl_attr_nest_end(header, item);
  mnl_attr_nest_end(header, list);
  std::vector<NetlinkRequest> batch = {BatchRequest(NFNL_MSG_BATCH_BEGIN), request,
                                       BatchRequest(NFNL_MSG_BATCH_END)};
  return socket_.ExecuteAll(batch, what);
}

}  // namespace paddock::nodeagent
