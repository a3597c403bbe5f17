// What a sandbox must not reach, although it is there and answers others.

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/e2e/e2e_environment.h"

namespace paddock::testing {
namespace {

// A server of this process on every address of the machine; counts who came.
class HostServer {
 public:
  HostServer() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(fd_, 64), 0);
    EXPECT_EQ(getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
  }
  ~HostServer() { close(fd_); }
  int port() const { return port_; }
  int Visitors() const {
    int count = 0;
    for (int fd = accept(fd_, nullptr, nullptr); fd >= 0; fd = accept(fd_, nullptr, nullptr)) {
      close(fd);
      ++count;
    }
    return count;
  }
  // From the machine itself.
  bool Answers(const std::string& host) const {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port_));
    inet_pton(AF_INET, host.c_str(), &address.sin_addr);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool ok = connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
    close(fd);
    return ok;
  }

 private:
  const int fd_;
  int port_ = 0;
};

// Of this machine, but for its loopback.
std::vector<std::string> HostAddresses() {
  std::vector<std::string> addresses;
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return addresses;
  for (const ifaddrs* at = list; at != nullptr; at = at->ifa_next) {
    if (at->ifa_addr == nullptr || at->ifa_addr->sa_family != AF_INET) continue;
    if ((at->ifa_flags & IFF_LOOPBACK) != 0) continue;
    char text[INET_ADDRSTRLEN];
    const auto* address = reinterpret_cast<const sockaddr_in*>(at->ifa_addr);
    addresses.emplace_back(inet_ntop(AF_INET, &address->sin_addr, text, sizeof(text)));
  }
  freeifaddrs(list);
  return addresses;
}

class ReachE2eTest : public E2eTest {
 protected:
  // The session's own address, by which its siblings would know it.
  std::string AddressOf(const v1::Session& session) {
    return Shell(session,
                 "python3 -c 'import socket\ns = socket.socket(type=socket.SOCK_DGRAM)\n"
                 "s.connect((\"198.51.100.1\", 9))\nprint(s.getsockname()[0], end=\"\")'")
        .out;
  }
  // "address:port" of every connection that was refused by policy, as the session's events say.
  std::set<std::string> Denied(const v1::Session& session) {
    v1::ListEgressEventsRequest request;
    request.set_session_id(session.id());
    request.set_page_size(1000);
    v1::ListEgressEventsResponse response;
    const grpc::Status status =
        client().sessions().ListEgressEvents(client().Context().get(), request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    std::set<std::string> denied;
    for (const v1::EgressEvent& event : response.events()) {
      if (event.verdict() != v1::EGRESS_VERDICT_DENIED) continue;
      denied.insert(absl::StrCat(event.address(), ":", event.port()));
    }
    return denied;
  }
};

TEST_F(ReachE2eTest, ReachesNeitherHostNorMetadataNorSibling) {
  const v1::Session session = NewSession();
  const v1::Session sibling = NewSession();
  const HostServer server;
  std::set<std::string> targets = {"169.254.169.254:80", "10.0.0.1:80", "192.168.0.1:80",
                                   "172.16.0.1:80", "100.64.0.1:80"};
  // What would answer if it could be reached: the host...
  const std::vector<std::string> host_addresses = HostAddresses();
  ASSERT_FALSE(host_addresses.empty());
  for (const std::string& address : host_addresses) {
    ASSERT_TRUE(server.Answers(address)) << address;
    targets.insert(absl::StrCat(address, ":", server.port()));
  }
  EXPECT_EQ(server.Visitors(), static_cast<int>(host_addresses.size()));
  // ... and the sibling.
  const std::string sibling_target = absl::StrCat(AddressOf(sibling), ":8000");
  Shell(sibling, "(setsid python3 -m http.server 8000 >/dev/null 2>&1 &)");
  const ExecResult own =
      Shell(sibling, absl::StrCat("curl -sS -m 20 --retry 50 --retry-delay 1 --retry-connrefused "
                                  "-o /dev/null -w '%{http_code}' http://",
                                  sibling_target, "/"));
  ASSERT_EQ(own.out, "200") << own.err;
  targets.insert(sibling_target);

  for (const std::string& target : targets) {
    const ExecResult result =
        Shell(session, absl::StrCat("curl -sS -m 5 -o /dev/null http://", target, "/"));
    EXPECT_EQ(result.code, 7) << target << ": refused at once is wanted, got " << result.err;
  }
  EXPECT_EQ(server.Visitors(), 0);
  // By policy, not because nobody is there.
  const auto untold = [&] {
    std::set<std::string> left = targets;
    for (const std::string& target : Denied(session)) left.erase(target);
    return left;
  };
  const absl::Time deadline = absl::Now() + absl::Seconds(30);
  while (!untold().empty() && absl::Now() < deadline) absl::SleepFor(absl::Milliseconds(100));
  EXPECT_THAT(untold(), ::testing::IsEmpty());
}

}  // namespace
}  // namespace paddock::testing
