#include "nodeagent/net/pair_protocol.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "nodeagent/system/errno_status.h"

namespace paddock::nodeagent {
namespace {

constexpr int kFds = 2;

}  // namespace

absl::Status SendAnswer(int socket, const absl::Status& status, const PairFds& fds) {
  PairAnswer answer;
  answer.code = static_cast<int32_t>(status.code());
  absl::string_view text = status.message().substr(0, sizeof(answer.message) - 1);
  memcpy(answer.message, text.data(), text.size());
  iovec data = {&answer, sizeof(answer)};
  msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(kFds * sizeof(int))] = {};
  if (fds.userns.valid() && fds.netns.valid()) {
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(kFds * sizeof(int));
    int numbers[kFds] = {fds.userns.get(), fds.netns.get()};
    memcpy(CMSG_DATA(header), numbers, sizeof(numbers));
  }
  if (sendmsg(socket, &message, MSG_NOSIGNAL) < 0) return ErrnoStatus("answering the pool");
  return absl::OkStatus();
}

absl::StatusOr<PairFds> ReceiveAnswer(int socket) {
  PairAnswer answer;
  iovec data = {&answer, sizeof(answer)};
  alignas(cmsghdr) char control[CMSG_SPACE(kFds * sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  ssize_t size = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  if (size != sizeof(answer)) {
    return absl::UnavailableError(
        absl::StrCat("the pair maker doesn't answer: ", size < 0 ? strerror(errno) : "it ended"));
  }
  PairFds fds;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header != nullptr && header->cmsg_len == CMSG_LEN(kFds * sizeof(int))) {
    int numbers[kFds];
    memcpy(numbers, CMSG_DATA(header), sizeof(numbers));
    fds.userns.reset(numbers[0]);
    fds.netns.reset(numbers[1]);
  }
  answer.message[sizeof(answer.message) - 1] = '\0';
  absl::Status status(static_cast<absl::StatusCode>(answer.code), answer.message);
  if (!status.ok()) return status;
  return fds;
}

std::string VethName(int index, uint16_t salt) {
  return absl::StrCat("s", index, "x", absl::Hex(salt, absl::kZeroPad4));
}

int VethSlot(const std::string& name) {
  absl::string_view rest = name;
  int index = -1;
  if (!absl::ConsumePrefix(&rest, "s")) return -1;
  size_t x = rest.find('x');
  if (x == absl::string_view::npos || rest.size() != x + 5) return -1;
  if (!absl::SimpleAtoi(rest.substr(0, x), &index) || index < 0 || index >= kMaxSlots) return -1;
  return index;
}

}  // namespace paddock::nodeagent
