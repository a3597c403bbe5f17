#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "nodeagent/system/spawn.h"
#include "tests/privileged/pretend_internet.h"

namespace paddock::nodeagent {

// The servers of a pretend internet that limited sessions are tried against: programs of their own
// in its namespace, whose journals say what reached them. Not thread-safe. Failures fail the test.
class InternetServers {
 public:
  // Where they answer.
  static constexpr char kResolver[] = "10.5.5.5";              // The pretend host asks it.
  static constexpr char kForeignResolver[] = "198.51.100.53";  // One of a sandbox's own choice.
  static constexpr char kWeb[] = "198.51.100.20";              // Of names that tests allow.
  static constexpr char kEvil[] = "198.51.100.21";             // Of names that they don't.
  static constexpr char kHttp2[] = "198.51.100.30";
  static constexpr char kWeb6[] = "2001:db8:100::20";
  static constexpr char kEvil6[] = "2001:db8:100::21";

  // `directory` gets their files. Starts those for names, the web and streams.
  InternetServers(PretendInternet* internet, const std::string& directory);
  // Ends them all.
  ~InternetServers();

  // Starts one more program in the internet's namespace, its output in `<directory>/<name>.out`.
  void Start(const std::string& name, const std::vector<std::string>& argv);
  // HTTP/2 at kHttp2, on 443 with TLS and on 80 without.
  void StartHttp2();
  // OpenSSH at kWeb; `private_key` logs in as root.
  void StartSsh(std::string* private_key);
  // PostgreSQL at kWeb, without TLS and passwords, user postgres.
  void StartPostgres();
  // Fills WebRoot() with what git and package managers fetch.
  void MakePackages();

  // Lines of the journal of "dns", "web" or "stream" from line `from` on.
  std::vector<std::string> Journal(const std::string& server, size_t from = 0) const;
  // How many lines each journal has: what comes later is what a test has caused.
  std::map<std::string, size_t> Mark() const;
  // Lines since `mark` that hold `part`, of all journals.
  std::vector<std::string> Seen(const std::map<std::string, size_t>& mark,
                                const std::string& part) const;

  std::string CaFile() const { return directory_ + "/ca.pem"; }
  // Served below /files/ by the web servers.
  std::string WebRoot() const { return directory_ + "/root"; }
  const std::string& directory() const { return directory_; }

 private:
  // Waits until a port at `address` takes connections.
  void AwaitPort(const char* address, int port) const;
  void MakeCertificates() const;
  void WriteZone() const;

  PretendInternet* const internet_;
  const std::string directory_;
  std::vector<SpawnedProcess> processes_;
};

}  // namespace paddock::nodeagent
