#include <fcntl.h>
#include <gmock/gmock.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <iostream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/clock.h"
#include "nodeagent/net/ipv4.h"
#include "nodeagent/net/netlink_socket.h"
#include "nodeagent/net/network_namespace.h"
#include "nodeagent/net/pair_protocol.h"
#include "nodeagent/net/route_requests.h"
#include "nodeagent/system/file.h"
#include "tests/privileged/gateway_fixture.h"

namespace paddock::nodeagent {
namespace {

class NetTest : public GatewayFixture {
 protected:
  // Sandboxes' veths in the router namespace.
  int Veths() {
    int count = 0;
    UniqueFd router = *OpenPinnedNamespace(options_.RouterNetns());
    RunInNamespace(router.get(), [&] {
      auto socket = NetlinkSocket::Open(NETLINK_ROUTE);
      const std::vector<std::string> links = *ListLinks(*socket);
      for (const std::string& link : links) count += VethSlot(link) >= 0 ? 1 : 0;
    });
    return count;
  }
  int OpenDescriptors() { return static_cast<int>(ListDirectory("/proc/self/fd")->size()); }
  // The pair maker, our only child of that name; 0 if there is none.
  pid_t MakerPid() {
    const std::vector<std::string> tasks = *ListDirectory("/proc/self/task");
    for (const std::string& task : tasks) {
      std::ifstream list(absl::StrCat("/proc/self/task/", task, "/children"));
      for (pid_t pid = 0; list >> pid;) {
        std::string name = ReadFile(absl::StrCat("/proc/", pid, "/comm")).value_or("");
        if (absl::StartsWith(name, "pair-maker")) return pid;
      }
    }
    return 0;
  }
};

TEST_F(NetTest, APairBelongsToItsOwnUserAndRange) {
  NamespacePair pair = *pool_->Acquire();
  EXPECT_EQ(pair.uid_base, 0x70000000u + static_cast<uint32_t>(pair.index) * 65536);
  uid_t owner = 0;
  ASSERT_EQ(ioctl(pair.userns.get(), NS_GET_OWNER_UID, &owner), 0);
  EXPECT_EQ(owner, pair.uid_base) << "per-user limits must be the sandbox's own";
  UniqueFd netns_owner(ioctl(pair.netns.get(), NS_GET_USERNS));
  struct stat of_net, of_pair;
  ASSERT_EQ(fstat(netns_owner.get(), &of_net), 0);
  ASSERT_EQ(fstat(pair.userns.get(), &of_pair), 0);
  EXPECT_EQ(of_net.st_ino, of_pair.st_ino) << "the network namespace lies inside";
  std::string map;
  pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    bool inside = setns(pair.userns.get(), CLONE_NEWUSER) == 0;
    std::string text = ReadFile("/proc/self/uid_map").value_or("");
    std::string expected = absl::StrCat(pair.uid_base);
    _exit(inside && absl::StrContains(text, expected) && absl::StrContains(text, "65536") ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST_F(NetTest, InsideThereIsLoopbackOneAddressAndNoOutsideIpv6) {
  NamespacePair pair = *pool_->Acquire();
  RunInNamespace(pair.netns.get(), [&] {
    auto socket = NetlinkSocket::Open(NETLINK_ROUTE);
    EXPECT_THAT(*ListLinks(*socket), ::testing::IsSupersetOf({"lo", "eth0"}));
    EXPECT_THAT(*ListAddresses(*socket),
                ::testing::UnorderedElementsAre(0x7f000001u, *ParseIpv4(pair.address)));
    EXPECT_EQ(*ReadFile("/proc/sys/net/ipv6/conf/eth0/disable_ipv6"), "1\n");
    EXPECT_EQ(*ReadFile("/proc/sys/net/ipv6/conf/lo/disable_ipv6"), "0\n");
    EXPECT_EQ(*ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start"), "0\n");
  });
}

TEST_F(NetTest, APairGoesWithItsDescriptors) {
  {
    NamespacePair pair = *pool_->Acquire();
    EXPECT_EQ(Veths(), 1);
  }
  EXPECT_TRUE(WaitUntil([&] { return Veths() == 0; }));
}

TEST_F(NetTest, SlotsRunOutAndComeBack) {
  MakePool(2);
  NamespacePair one = *pool_->Acquire();
  NamespacePair two = *pool_->Acquire();
  EXPECT_NE(one.address, two.address);
  EXPECT_EQ(pool_->Acquire().status().code(), absl::StatusCode::kResourceExhausted);
  int index = two.index;
  two = {};
  ASSERT_TRUE(pool_->Release(index).ok());
  ASSERT_TRUE(pool_->Release(index).ok());
  absl::StatusOr<NamespacePair> again = absl::UnknownError("");
  EXPECT_TRUE(WaitUntil([&] {
    again = pool_->Acquire();
    return again.ok();
  }));
  EXPECT_EQ(again->index, index);
}

TEST_F(NetTest, ReleaseTakesTheNetworkFromWhatStillRuns) {
  NamespacePair pair = Connect("sesn_a");
  ASSERT_EQ(Tcp(pair, PretendInternet::kOutside).reach, Reach::kAnswered);
  ASSERT_TRUE(pool_->Release(pair.index).ok());
  EXPECT_TRUE(WaitUntil([&] { return Veths() == 0; }));
  EXPECT_NE(Tcp(pair, PretendInternet::kOutside).reach, Reach::kAnswered);
}

TEST_F(NetTest, ReleasePurgesTrackedConnectionsInBothNamespaces) {
  NamespacePair pair = Connect("sesn_a");
  ASSERT_EQ(Udp(pair, PretendInternet::kOutside).reach, Reach::kAnswered);
  auto tracked = [] {
    return ReadFile("/proc/sys/net/netfilter/nf_conntrack_count").value_or("?");
  };
  UniqueFd router = *OpenPinnedNamespace(options_.RouterNetns());
  std::string in_router;
  RunInNamespace(router.get(), [&] { in_router = tracked(); });
  EXPECT_NE(in_router, "0\n");
  EXPECT_NE(tracked(), "0\n");
  ASSERT_TRUE(pool_->Release(pair.index).ok());
  EXPECT_TRUE(WaitUntil([&] {
    RunInNamespace(router.get(), [&] { in_router = tracked(); });
    return in_router == "0\n" && tracked() == "0\n";
  }));
}

TEST_F(NetTest, SweepRemovesWhatNoAdoptedSlotHas) {
  NamespacePair adopted = Connect("sesn_a");
  NamespacePair orphan = Connect("sesn_b");
  MakePool(64);  // As after the agent's restart.
  ASSERT_TRUE(pool_->Adopt(adopted.index).ok());
  EXPECT_EQ(pool_->Adopt(adopted.index).code(), absl::StatusCode::kAlreadyExists);
  ASSERT_TRUE(pool_->Sweep().ok());
  EXPECT_TRUE(WaitUntil([&] { return Veths() == 1; }));
  EXPECT_EQ(Tcp(adopted, PretendInternet::kOutside).reach, Reach::kAnswered);
  EXPECT_NE(Tcp(orphan, PretendInternet::kOutside).reach, Reach::kAnswered);
  ASSERT_TRUE(pool_->Release(adopted.index).ok());
  EXPECT_TRUE(WaitUntil([&] { return Veths() == 0; }));
}

TEST_F(NetTest, AKilledMakerIsReplaced) {
  NamespacePair first = *pool_->Acquire();
  pid_t maker = MakerPid();
  ASSERT_GT(maker, 0);
  ASSERT_EQ(kill(maker, SIGKILL), 0);
  absl::StatusOr<NamespacePair> second = pool_->Acquire();
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_NE(MakerPid(), maker);
}

TEST_F(NetTest, EachUserHasItsOwnInotifyInstances) {
  NamespacePair eater = *pool_->Acquire();
  NamespacePair neighbour = *pool_->Acquire();
  // How many instances a root of the sandbox gets.
  auto instances = [](const NamespacePair& pair) {
    int pipe_ends[2];
    EXPECT_EQ(pipe(pipe_ends), 0);
    pid_t child = fork();
    if (child == 0) {
      int count = 0;
      if (setns(pair.userns.get(), CLONE_NEWUSER) == 0 && setresuid(0, 0, 0) == 0) {
        while (count < 5000 && inotify_init1(0) >= 0) ++count;
      }
      if (write(pipe_ends[1], &count, sizeof(count)) < 0) _exit(1);
      pause();
    }
    int count = 0;
    EXPECT_EQ(read(pipe_ends[0], &count, sizeof(count)), static_cast<ssize_t>(sizeof(count)));
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    return std::make_pair(child, count);
  };
  auto [first, first_count] = instances(eater);
  auto [second, second_count] = instances(neighbour);
  EXPECT_GT(first_count, 10);
  EXPECT_EQ(second_count, first_count) << "the neighbour has what the eater could take";
  EXPECT_GE(inotify_init1(IN_CLOEXEC), 0) << "and so has the host";
  for (pid_t child : {first, second}) {
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
  }
}

TEST_F(NetTest, FiveHundredCyclesLeaveEverythingAsBefore) {
  { NamespacePair warm = *pool_->Acquire(); }
  ASSERT_TRUE(WaitUntil([&] { return Veths() == 0; }));
  int descriptors = OpenDescriptors();
  absl::Duration start = Clock::Real()->Monotonic();
  for (int i = 0; i < 500; ++i) {
    absl::StatusOr<NamespacePair> pair = absl::UnknownError("");
    ASSERT_TRUE(WaitUntil([&] {
      pair = pool_->Acquire();
      return pair.ok();
    })) << pair.status();
    ASSERT_TRUE(pool_->Release(pair->index).ok());
  }
  absl::Duration took = Clock::Real()->Monotonic() - start;
  std::cout << "per cycle: " << absl::ToDoubleMilliseconds(took) / 500 << " ms\n";
  EXPECT_TRUE(WaitUntil([&] { return Veths() == 0; }, absl::Seconds(20)));
  EXPECT_EQ(OpenDescriptors(), descriptors);
  EXPECT_EQ(client().ListSessions()->size(), 0u);
}

TEST_F(NetTest, ReadyPairsAreHandedOutAtOnceAndRefilled) {
  pool_->Start();
  ASSERT_TRUE(WaitUntil([&] { return Veths() == 8; }));
  absl::Duration start = Clock::Real()->Monotonic();
  NamespacePair pair = *pool_->Acquire();
  EXPECT_LT(Clock::Real()->Monotonic() - start, absl::Milliseconds(5));
  EXPECT_TRUE(WaitUntil([&] { return Veths() == 9; }));
}

// Nanoseconds that a process has spent on a processor.
int64_t CpuOf(pid_t pid) {
  std::ifstream file(absl::StrCat("/proc/", pid, "/schedstat"));
  int64_t spent = 0;
  file >> spent;
  return spent;
}

TEST_F(NetTest, ChangesOfSessionsAreQuick) {
  std::vector<NamespacePair> pairs;
  constexpr int kSessions = 40;
  constexpr int kRounds = 10;
  pid_t maker = 0;
  for (int i = 0; i < kSessions; ++i) {
    pairs.push_back(*pool_->Acquire());
    if (i == 0) maker = MakerPid();
  }
  std::cout << "making a pair, CPU of the maker: " << CpuOf(maker) / 1e6 / kSessions << " ms\n";
  absl::Duration start = Clock::Real()->Monotonic();
  int64_t before = CpuOf(GatewayPid());
  for (int round = 0; round < kRounds; ++round) {
    for (int i = 0; i < kSessions; ++i) {
      ASSERT_TRUE(client().PutSession(SessionOf(absl::StrCat("sesn_", i), pairs[i])).ok());
    }
  }
  absl::Duration each = (Clock::Real()->Monotonic() - start) / (kSessions * kRounds);
  std::cout << "PutSession: " << absl::ToDoubleMilliseconds(each) << " ms, CPU of the gateway: "
            << (CpuOf(GatewayPid()) - before) / 1e6 / (kSessions * kRounds) << " ms\n";
  EXPECT_LT(each, absl::Milliseconds(20));
}

}  // namespace
}  // namespace paddock::nodeagent
