#include "nodeagent/net/netlink_socket.h"

#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "nodeagent/system/errno_status.h"

namespace paddock::nodeagent {
namespace {

constexpr size_t kReceiveBuffer = 64 * 1024;

int CaptureExplanation(const nlattr* attribute, void* data) {
  if (mnl_attr_get_type(attribute) == NLMSGERR_ATTR_MSG) {
    *static_cast<std::string*>(data) = mnl_attr_get_str(attribute);
  }
  return MNL_CB_OK;
}

// The status in an NLMSG_ERROR message; OK for an acknowledgement.
absl::Status ErrorOf(const nlmsghdr* message, absl::string_view what) {
  const auto* error = static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(message));
  if (error->error == 0) return absl::OkStatus();
  std::string explanation;
  if (message->nlmsg_flags & NLM_F_ACK_TLVS) {
    size_t offset = sizeof(nlmsgerr);
    if (!(message->nlmsg_flags & NLM_F_CAPPED)) offset += mnl_nlmsg_get_payload_len(&error->msg);
    mnl_attr_parse(message, offset, CaptureExplanation, &explanation);
  }
  if (!explanation.empty()) explanation = absl::StrCat(" (", explanation, ")");
  return ErrnoStatus(-error->error, absl::StrCat(what, explanation));
}

}  // namespace

NetlinkRequest::NetlinkRequest(uint16_t type, uint16_t flags) {
  buffer_.fill(0);
  nlmsghdr* header = mnl_nlmsg_put_header(buffer_.data());
  header->nlmsg_type = type;
  header->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
}

absl::StatusOr<NetlinkSocket> NetlinkSocket::Open(int protocol) {
  mnl_socket* raw = mnl_socket_open2(protocol, SOCK_CLOEXEC);
  if (raw == nullptr) return ErrnoStatus("opening a netlink socket");
  NetlinkSocket socket(raw);
  if (mnl_socket_bind(raw, 0, MNL_SOCKET_AUTOPID) < 0) return ErrnoStatus("binding netlink");
  int on = 1;
  mnl_socket_setsockopt(raw, NETLINK_EXT_ACK, &on, sizeof(on));
  mnl_socket_setsockopt(raw, NETLINK_CAP_ACK, &on, sizeof(on));
  timeval limit{5, 0};
  if (setsockopt(socket.fd(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0) {
    return ErrnoStatus("limiting netlink's waiting time");
  }
  return socket;
}

absl::Status NetlinkSocket::Execute(NetlinkRequest request, absl::string_view what) {
  std::vector<NetlinkRequest> one;
  one.push_back(std::move(request));
  return ExecuteAll(one, what);
}

absl::Status NetlinkSocket::ExecuteAll(std::vector<NetlinkRequest>& requests,
                                       absl::string_view what) {
  if (requests.empty()) return absl::OkStatus();
  std::string data;
  int acks = 0;
  uint32_t first = sequence_ + 1;
  for (NetlinkRequest& request : requests) {
    nlmsghdr* header = request.header();
    header->nlmsg_seq = ++sequence_;
    if (header->nlmsg_flags & NLM_F_ACK) ++acks;
    data.append(reinterpret_cast<const char*>(header), NLMSG_ALIGN(header->nlmsg_len));
  }
  if (mnl_socket_sendto(socket_.get(), data.data(), data.size()) < 0) return ErrnoStatus(what);
  return Receive(first, acks, what, nullptr);
}

absl::Status NetlinkSocket::Dump(NetlinkRequest request, absl::string_view what,
                                 const std::function<void(const nlmsghdr*)>& on_message) {
  nlmsghdr* header = request.header();
  header->nlmsg_seq = ++sequence_;
  if (mnl_socket_sendto(socket_.get(), header, header->nlmsg_len) < 0) return ErrnoStatus(what);
  return Receive(sequence_, 1, what, on_message);
}

absl::Status NetlinkSocket::Receive(uint32_t first, int acks, absl::string_view what,
                                    const std::function<void(const nlmsghdr*)>& on_message) {
  std::vector<char> buffer(kReceiveBuffer);
  while (acks > 0) {
    ssize_t size = mnl_socket_recvfrom(socket_.get(), buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return ErrnoStatus(errno == EAGAIN ? ETIMEDOUT : errno, what);
    int left = static_cast<int>(size);
    for (const auto* message = reinterpret_cast<const nlmsghdr*>(buffer.data());
         mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
      // What belongs to an earlier request that failed half-way, or to nobody.
      if (message->nlmsg_seq < first || message->nlmsg_seq > sequence_) continue;
      if (message->nlmsg_type == NLMSG_ERROR) {
        absl::Status status = ErrorOf(message, what);
        if (!status.ok()) return status;
        --acks;
      } else if (message->nlmsg_type == NLMSG_DONE) {
        --acks;
      } else if (on_message) {
        on_message(message);
      }
    }
  }
  return absl::OkStatus();
}

absl::Status NetlinkSocket::Subscribe(int group) {
  if (mnl_socket_setsockopt(socket_.get(), NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0) {
    return ErrnoStatus("subscribing to netlink notifications");
  }
  return absl::OkStatus();
}

bool NetlinkSocket::Drain() {
  char buffer[8192];
  bool any = false;
  // A full buffer's ENOBUFS means that something was there, too.
  while (recv(fd(), buffer, sizeof(buffer), MSG_DONTWAIT) > 0 || errno == ENOBUFS) {
    any = true;
    errno = 0;
  }
  return any;
}

}  // namespace paddock::nodeagent
