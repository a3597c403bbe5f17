#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "nodeagent/system/unique_fd.h"

namespace paddock::nodeagent {

// Gives this process a network and a mount namespace of its own, with an empty /run, for good: what
// tests call the host is this namespace. Call it before there are other threads; does nothing when
// called again.
void BecomePretendHost();

// Runs `action` on a thread inside of a network namespace; returns when it is done.
void RunInNamespace(int netns, const std::function<void()>& action);

// Runs a command line (split at spaces) in the calling thread's namespaces; fails the test if it
// fails.
void MustRun(const std::string& command);

// How a try to reach something ended.
enum class Reach { kAnswered, kRefused, kProhibited, kSilence, kNoRoute, kOther };
std::string ToString(Reach reach);

struct Attempt {
  Reach reach = Reach::kOther;
  absl::Duration took;
  std::string answer;
};

// Connects from the calling thread's namespace and has a word echoed. A TCP answer is the
// address that the server saw. `timeout` bounds it all.
Attempt TryTcp(const std::string& address, int port,
               absl::Duration timeout = absl::Milliseconds(1500));
Attempt TryUdp(const std::string& address, int port,
               absl::Duration timeout = absl::Milliseconds(1500));
// Whether an ICMP echo is answered.
bool TryPing(const std::string& address, absl::Duration timeout = absl::Milliseconds(1500));
// Asks a name server for an A record. `rcode` is -1 when there was no answer.
struct LookUp {
  int rcode = -1;
  std::string address;
  absl::Duration took;
};
LookUp TryLookUp(const std::string& server, const std::string& name, bool tcp = false,
                 absl::Duration timeout = absl::Seconds(3));

// TCP and UDP echo and a name server on every address of the namespace that it is made in. The TCP
// server greets with the client's address, then echoes.
class TestServers {
 public:
  static constexpr int kEchoPort = 7777;
  TestServers();
  ~TestServers();
  int tcp_connections() const { return tcp_connections_; }
  int datagrams() const { return datagrams_; }
  int look_ups() const { return look_ups_; }

 private:
  void Serve();

  UniqueFd tcp_, udp_, dns_udp_, dns_tcp_, stop_;
  std::atomic<int> tcp_connections_{0}, datagrams_{0}, look_ups_{0};
  std::thread thread_;
};

// A namespace with servers behind the pretend host's uplink `wan`: everything that isn't local
// leads there. It answers at kOutside and at addresses that no sandbox may reach.
class PretendInternet {
 public:
  static constexpr char kHost[] = "203.0.113.2";       // The host's own public address.
  static constexpr char kOutside[] = "198.51.100.10";  // Anybody.
  static constexpr char kControlPlane[] = "198.51.100.99";
  static constexpr char kPrivate[] = "10.5.5.5";  // Of the host's resolver, too.
  static constexpr char kMetadata[] = "169.254.169.254";
  static constexpr char kMetadata6[] = "fd00:ec2::254";
  static constexpr char kTranslated[] =
      "198.51.100.50";  // For destination translation on the host.
  // kNone: the test starts servers of its own (see InternetServers).
  enum class Servers { kEcho, kNone };
  explicit PretendInternet(Servers servers = Servers::kEcho);
  ~PretendInternet();
  // Of kEcho.
  TestServers& servers() { return *servers_; }
  int netns() const { return netns_.get(); }
  // A path that names the namespace while this process lives.
  std::string NetnsPath() const;
  // One more address, IPv4 or IPv6, that something there answers at.
  void AddAddress(const std::string& address);

 private:
  UniqueFd netns_;
  std::unique_ptr<TestServers> servers_;
};

// Waits until `condition` holds; false if it doesn't within `limit`.
bool WaitUntil(const std::function<bool()>& condition, absl::Duration limit = absl::Seconds(5));

}  // namespace paddock::nodeagent
