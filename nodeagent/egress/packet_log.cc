#include "nodeagent/egress/packet_log.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "nodeagent/net/ipv4.h"
#include "nodeagent/net/nft_renderer.h"

namespace paddock::nodeagent {
namespace {

constexpr size_t kMinimalHead = 20;
constexpr int kProtocolOffset = 9;
constexpr int kSourceOffset = 12;
constexpr int kDestinationOffset = 16;
constexpr size_t kHead6 = 40;
constexpr int kProtocolOffset6 = 6;
constexpr int kDestinationOffset6 = 24;
constexpr uint32_t kCopied = 64;  // Bytes of each packet.
constexpr int kMessagesAtOnce = 64;

uint32_t Number(absl::string_view bytes, size_t offset, int size) {
  uint32_t value = 0;
  for (int i = 0; i < size; ++i) value = value << 8 | static_cast<uint8_t>(bytes[offset + i]);
  return value;
}

NetlinkRequest Configure() {
  NetlinkRequest request((NFNL_SUBSYS_ULOG << 8) | NFULNL_MSG_CONFIG);
  auto* family = request.Extra<nfgenmsg>();
  family->nfgen_family = AF_UNSPEC;
  family->version = NFNETLINK_V0;
  family->res_id = htons(kLogGroup);
  return request;
}

// What lies behind the `head` bytes of an IP head.
void ReadTransport(absl::string_view bytes, uint32_t protocol, size_t head, RefusedPacket* packet) {
  bool ports = protocol == IPPROTO_TCP || protocol == IPPROTO_UDP;
  if (ports && bytes.size() >= head + 4)
    packet->port = static_cast<int>(Number(bytes, head + 2, 2));
  packet->protocol = protocol == IPPROTO_TCP      ? "tcp"
                     : protocol == IPPROTO_UDP    ? "udp"
                     : protocol == IPPROTO_ICMP   ? "icmp"
                     : protocol == IPPROTO_ICMPV6 ? "icmp6"
                                                  : absl::StrCat("ip ", protocol);
}

RefusedPacket Read(const nlmsghdr* message) {
  RefusedPacket packet;
  ForEachAttribute(message, sizeof(nfgenmsg), [&packet](int type, const nlattr* attribute) {
    const auto* data = static_cast<const char*>(mnl_attr_get_payload(attribute));
    size_t size = mnl_attr_get_payload_len(attribute);
    if (type == NFULA_PREFIX) packet.verdict = std::string(data, strnlen(data, size));
    if (type == NFULA_IFINDEX_INDEV && size == sizeof(uint32_t)) {
      packet.in_link = static_cast<int>(Number({data, size}, 0, 4));
    }
    if (type == NFULA_PAYLOAD) ReadPacketHead({data, size}, &packet);
  });
  return packet;
}

}  // namespace

void ReadPacketHead(absl::string_view bytes, RefusedPacket* packet) {
  if (bytes.size() < kMinimalHead) return;
  uint32_t version = Number(bytes, 0, 1) >> 4;
  if (version == 4) {
    packet->source = Number(bytes, kSourceOffset, 4);
    packet->destination = FormatIpv4(Number(bytes, kDestinationOffset, 4));
    size_t head = (Number(bytes, 0, 1) & 15) * 4;
    ReadTransport(bytes, Number(bytes, kProtocolOffset, 1), std::max(head, kMinimalHead), packet);
  } else if (version == 6 && bytes.size() >= kHead6) {
    char text[INET6_ADDRSTRLEN];
    packet->destination = inet_ntop(AF_INET6, &bytes[kDestinationOffset6], text, sizeof(text));
    ReadTransport(bytes, Number(bytes, kProtocolOffset6, 1), kHead6, packet);
  }
}

absl::StatusOr<std::unique_ptr<PacketLog>> PacketLog::Open(EventLoop* loop, Callback callback) {
  PADDOCK_ASSIGN_OR_RETURN(NetlinkSocket socket, NetlinkSocket::Open(NETLINK_NETFILTER));
  NetlinkRequest bind = Configure();
  nfulnl_msg_config_cmd command = {NFULNL_CFG_CMD_BIND};
  mnl_attr_put(bind.header(), NFULA_CFG_CMD, sizeof(command), &command);
  PADDOCK_RETURN_IF_ERROR(socket.Execute(bind, "following refused packets"));
  NetlinkRequest mode = Configure();
  nfulnl_msg_config_mode copy = {};
  copy.copy_range = htonl(kCopied);
  copy.copy_mode = NFULNL_COPY_PACKET;
  mnl_attr_put(mode.header(), NFULA_CFG_MODE, sizeof(copy), &copy);
  // At once, not when a buffer is full.
  mnl_attr_put_u32(mode.header(), NFULA_CFG_QTHRESH, htonl(1));
  PADDOCK_RETURN_IF_ERROR(socket.Execute(mode, "following refused packets"));
  std::unique_ptr<PacketLog> log(new PacketLog(loop, std::move(socket), std::move(callback)));
  PacketLog* self = log.get();
  PADDOCK_RETURN_IF_ERROR(
      loop->Add(self->socket_.fd(), EPOLLIN, [self](uint32_t) { self->Receive(); }));
  return log;
}

PacketLog::~PacketLog() { loop_->Remove(socket_.fd()); }

void PacketLog::Receive() {
  alignas(nlmsghdr) char buffer[16 * 1024];
  for (int i = 0; i < kMessagesAtOnce; ++i) {
    ssize_t size = recv(socket_.fd(), buffer, sizeof(buffer), MSG_DONTWAIT);
    if (size <= 0) return;  // ENOBUFS: some were lost, as at any rate limit.
    int left = static_cast<int>(size);
    const auto* message = reinterpret_cast<const nlmsghdr*>(buffer);
    for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
      if (message->nlmsg_type != ((NFNL_SUBSYS_ULOG << 8) | NFULNL_MSG_PACKET)) continue;
      callback_(Read(message));
    }
  }
}

}  // namespace paddock::nodeagent
