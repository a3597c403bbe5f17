#include "tests/e2e/test_hosts.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace paddock::testing {
namespace {

namespace fs = std::filesystem;

// The gateway process looks for a new file every second.
constexpr absl::Duration kUntilNoticed = absl::Milliseconds(2500);

}  // namespace

void MustRun(const std::string& command) { EXPECT_EQ(std::system(command.c_str()), 0) << command; }

std::string OutputOf(const std::string& command) {
  std::string output;
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return output;
  for (int c = fgetc(pipe); c != EOF; c = fgetc(pipe)) output.push_back(static_cast<char>(c));
  pclose(pipe);
  return output;
}

TestHosts::TestHosts(const std::string& home)
    : home_(home),
      namespace_(absl::StrCat("paddock-e2e-", getpid())),
      link_(absl::StrCat("pde2e", getpid() % 1'000'000)),
      ready_(absl::StrCat(home, "/test-hosts-ready")) {
  MustRun(absl::StrCat("ip netns add ", namespace_));
  MustRun(absl::StrCat("ip link add ", link_, " type veth peer name eth0 netns ", namespace_));
  MustRun(absl::StrCat("ip addr add 198.51.100.1/24 dev ", link_));
  MustRun(absl::StrCat("ip link set ", link_, " up"));
  for (const char* address : {kWeb, kNames}) {
    MustRun(absl::StrCat("ip -n ", namespace_, " addr add ", address, "/24 dev eth0"));
  }
  MustRun(absl::StrCat("ip -n ", namespace_, " link set eth0 up"));
  MustRun(absl::StrCat("ip -n ", namespace_, " link set lo up"));
  MustRun(absl::StrCat("ip -n ", namespace_, " route add default via 198.51.100.1"));
  StartServers();
  AskThem();
}

TestHosts::~TestHosts() {
  std::error_code error;
  fs::remove(home_ + "/resolv.conf", error);
  fs::create_symlink("/etc/resolv.conf", home_ + "/resolv.conf", error);
  EXPECT_FALSE(error) << error.message();
  fs::remove(ready_, error);
  if (servers_ > 0) {
    kill(servers_, SIGKILL);
    waitpid(servers_, nullptr, 0);
  }
  MustRun(absl::StrCat("ip link del ", link_));
  MustRun(absl::StrCat("ip netns del ", namespace_));
}

void TestHosts::StartServers() {
  servers_ = fork();
  if (servers_ == 0) {
    execlp("ip", "ip", "netns", "exec", namespace_.c_str(), "python3", PADDOCK_TEST_HOSTS, kNames,
           kWeb, ready_.c_str(), nullptr);
    _exit(127);
  }
  ASSERT_GT(servers_, 0);
  const absl::Time give_up = absl::Now() + absl::Seconds(20);
  while (!fs::exists(ready_) && absl::Now() < give_up) absl::SleepFor(absl::Milliseconds(10));
  ASSERT_TRUE(fs::exists(ready_)) << "the test hosts don't serve";
}

void TestHosts::AskThem() {
  const std::string file = home_ + "/resolv.conf";
  std::ofstream(file + ".new") << "nameserver " << kNames << "\n";
  fs::rename(file + ".new", file);
  absl::SleepFor(kUntilNoticed);
}

}  // namespace paddock::testing
