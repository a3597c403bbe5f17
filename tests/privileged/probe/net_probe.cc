#include "tests/privileged/probe/net_probe.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "tests/privileged/probe/dialogue.h"
#include "tests/privileged/probe/look_up.h"

namespace {

void Report(const char* name, long result) { printf("%s %d\n", name, result < 0 ? errno : 0); }

sockaddr_in AddressOf(const char* address, int port) {
  sockaddr_in name = {};
  name.sin_family = AF_INET;
  name.sin_port = htons(static_cast<uint16_t>(port));
  inet_pton(AF_INET, address, &name.sin_addr);
  return name;
}

long BindTo(int fd, const char* address) {
  const sockaddr_in name = AddressOf(address, 0);
  return bind(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name);
}

long Option(int fd, int level, int option) {
  int on = 1;
  return setsockopt(fd, level, option, &on, sizeof on);
}

// Tells the kernel by netlink; the errno of its answer.
long Netlink(uint16_t type, const char* interface) {
  struct {
    nlmsghdr header;
    rtmsg route;
    rtattr attribute;
    uint32_t index;
  } request = {};
  request.header = {sizeof request, type, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE, 1, 0};
  request.route.rtm_family = AF_INET;
  request.route.rtm_table = RT_TABLE_MAIN;
  request.route.rtm_scope = RT_SCOPE_LINK;
  request.route.rtm_type = RTN_UNICAST;
  request.attribute = {sizeof(rtattr) + 4, RTA_OIF};
  request.index = if_nametoindex(interface);
  const int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
  if (fd < 0) return -1;
  struct {
    nlmsghdr header;
    nlmsgerr error;
    char rest[512];
  } answer = {};
  if (send(fd, &request, sizeof request, 0) < 0 || recv(fd, &answer, sizeof answer, 0) < 0) {
    return -1;
  }
  close(fd);
  errno = -answer.error.error;
  return answer.error.error == 0 ? 0 : -1;
}

// Everything by which a sandbox might change its network or write packets of its own.
void TryTricks() {
  Report("raw-icmp", socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
  Report("raw-ip", socket(AF_INET, SOCK_RAW, IPPROTO_RAW));
  Report("raw-icmp6", socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6));
  Report("packet", socket(AF_PACKET, SOCK_RAW, htons(0x0003)));
  Report("packet-dgram", socket(AF_PACKET, SOCK_DGRAM, htons(0x0800)));
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  Report("transparent", Option(fd, IPPROTO_IP, IP_TRANSPARENT));
  Report("bind-sibling", BindTo(fd, "10.219.0.17"));
  Report("bind-foreign", BindTo(fd, "198.51.100.10"));
  Report("mark", Option(fd, SOL_SOCKET, SO_MARK));
  arpreq arp = {};
  const sockaddr_in gateway = AddressOf("10.219.0.3", 0);
  memcpy(&arp.arp_pa, &gateway, sizeof gateway);
  strcpy(arp.arp_dev, "eth0");
  arp.arp_flags = ATF_COM | ATF_PERM;
  Report("set-arp", ioctl(fd, SIOCSARP, &arp));
  ifreq link = {};
  strcpy(link.ifr_name, "eth0");
  const sockaddr_in sibling = AddressOf("10.219.0.17", 0);
  memcpy(&link.ifr_addr, &sibling, sizeof sibling);
  Report("set-address", ioctl(fd, SIOCSIFADDR, &link));
  link.ifr_flags = IFF_UP | IFF_PROMISC;
  Report("set-promiscuous", ioctl(fd, SIOCSIFFLAGS, &link));
  rtentry route = {};
  memcpy(&route.rt_dst, &sibling, sizeof sibling);
  memcpy(&route.rt_gateway, &gateway, sizeof gateway);
  route.rt_flags = RTF_UP | RTF_GATEWAY;
  Report("add-route", ioctl(fd, SIOCADDRT, &route));
  Report("netlink-route", Netlink(RTM_NEWROUTE, "eth0"));
  Report("tun", access("/dev/net/tun", F_OK));
  close(fd);
}

// Datagrams with a source route and with a record-route option, to `address`.
void TryIpOptions(const char* address) {
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  unsigned char loose[12] = {131, 11, 4, 198, 51, 100, 10, 198, 51, 100, 20, 0};
  Report("loose-source-route", setsockopt(fd, IPPROTO_IP, IP_OPTIONS, loose, sizeof loose));
  const sockaddr_in to = AddressOf(address, 7777);
  Report("send", sendto(fd, "x", 1, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to));
  close(fd);
}

// An echo request by the socket type that needs no privilege.
void Ping(const std::string& host) {
  const int fd = socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
  if (fd < 0) {
    printf("no ping socket %d\n", errno);
    return;
  }
  const timeval limit = {1, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  const unsigned char echo[8] = {8, 0, 0, 0, 0, 0, 0, 1};
  const sockaddr_in to = AddressOf(ResolveName(host).c_str(), 0);
  char answer[256];
  if (sendto(fd, echo, sizeof echo, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to) < 0) {
    printf("unsent %d\n", errno);
  } else if (recv(fd, answer, sizeof answer, 0) < 0) {
    printf("no answer %d\n", errno);
  } else {
    printf("answered\n");
  }
  close(fd);
}

void Datagram(const std::string& host, int port, const std::string& bytes) {
  const bool six = host.find(':') != std::string::npos;
  const int fd = socket(six ? AF_INET6 : AF_INET, SOCK_DGRAM, 0);
  const timeval limit = {1, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  Option(fd, SOL_SOCKET, SO_BROADCAST);
  sockaddr_in6 v6 = {};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(static_cast<uint16_t>(port));
  inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr);
  const std::string address = six ? host : ResolveName(host);
  const sockaddr_in v4 = AddressOf(address.c_str(), port);
  const int connected = six ? connect(fd, reinterpret_cast<const sockaddr*>(&v6), sizeof v6)
                            : connect(fd, reinterpret_cast<const sockaddr*>(&v4), sizeof v4);
  char answer[2048];
  if (connected < 0 || send(fd, bytes.data(), bytes.size(), 0) < 0) {
    printf("unsent %d\n", errno);
  } else if (recv(fd, answer, sizeof answer, 0) < 0) {
    printf("no answer %d\n", errno);
  } else {
    printf("answered\n");
  }
  close(fd);
}

void PrintHeld(std::vector<pollfd>* open, int milliseconds) {
  printf("open %zu\n", open->size());
  fflush(stdout);
  poll(nullptr, 0, milliseconds);
  poll(open->data(), open->size(), 0);
  int left = 0;
  for (const pollfd& one : *open) left += one.revents == 0 ? 1 : 0;
  printf("left %d\n", left);
}

// Opens connections that say nothing; prints how many there are, and how many are still open after
// `milliseconds`.
void HoldSilent(const std::string& host, int port, int count, int milliseconds) {
  const std::string address = ResolveName(host);
  std::vector<pollfd> open;
  for (int i = 0; i < count; ++i) {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    const timeval limit = {2, 0};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    const sockaddr_in to = AddressOf(address.c_str(), port);
    if (fd < 0 || connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) < 0) {
      if (fd >= 0) close(fd);
      continue;
    }
    open.push_back({fd, POLLRDHUP, 0});
  }
  PrintHeld(&open, milliseconds);
}

// Opens connections that each send this much of a ClientHello that never ends; prints how many
// there are, and how many are still open after `milliseconds`.
void HoldHellos(const std::string& host, int port, int count, int size, int milliseconds) {
  rlimit files = {};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  const std::string address = ResolveName(host);
  // Records of one handshake message that is as long as any that is waited for.
  std::string hello;
  while (static_cast<int>(hello.size()) < size) {
    const bool first = hello.empty();
    hello += std::string("\x16\x03\x01\x10\x00", 5);
    hello += first ? std::string("\x01\x00\xff\x00\x03\x03", 6) + std::string(4090, 'r')
                   : std::string(4096, 'r');
  }
  hello.resize(static_cast<size_t>(size));
  std::vector<pollfd> open;
  for (int i = 0; i < count; ++i) {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    const timeval limit = {2, 0};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    const sockaddr_in to = AddressOf(address.c_str(), port);
    if (fd < 0 || connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) < 0 ||
        send(fd, hello.data(), hello.size(), MSG_NOSIGNAL) < 0) {
      if (fd >= 0) close(fd);
      continue;
    }
    open.push_back({fd, POLLRDHUP, 0});
  }
  PrintHeld(&open, milliseconds);
}

void PrintAnswer(const LookUpAnswer& answer) {
  printf("rcode %d answers %d %s\n", answer.rcode, answer.answers, answer.address.c_str());
}

}  // namespace

bool RunNetworkCommand(int argc, char** argv) {
  const std::string what = argv[1];
  if (what == "tcp" && argc > 3) {
    Dialogue(argv[2], atoi(argv[3]), argc - 4, argv + 4);
  } else if (what == "udp" && argc > 4) {
    Datagram(argv[2], atoi(argv[3]), FromHex(argv[4]));
  } else if (what == "look-up" && argc > 5) {
    const std::string server = strcmp(argv[2], "-") == 0 ? SandboxResolver() : argv[2];
    const bool tcp = strcmp(argv[5], "tcp") == 0;
    PrintAnswer(AskFor(server, argv[3], atoi(argv[4]), tcp));
  } else if (what == "look-up-raw" && argc > 3) {
    PrintAnswer(AskRaw(SandboxResolver(), FromHex(argv[2]), strcmp(argv[3], "tcp") == 0));
  } else if (what == "ping" && argc > 2) {
    Ping(argv[2]);
  } else if (what == "tricks") {
    TryTricks();
  } else if (what == "ip-options" && argc > 2) {
    TryIpOptions(argv[2]);
  } else if (what == "hold-hellos" && argc > 6) {
    HoldHellos(argv[2], atoi(argv[3]), atoi(argv[4]), atoi(argv[5]), atoi(argv[6]));
  } else if (what == "hold" && argc > 5) {
    HoldSilent(argv[2], atoi(argv[3]), atoi(argv[4]), atoi(argv[5]));
  } else {
    return false;
  }
  return true;
}
