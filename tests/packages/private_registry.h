#pragma once

#include <sys/types.h>

#include <map>
#include <string>

namespace paddock::testing {

// A company's registries of all six package managers in a network namespace of their own, over TLS
// with certificates of an authority that nobody knows (private_registry.py): hosts of their own,
// and a name server that knows them. Each has one package, hello-<manager>; the gem is for the test
// to add. Ends with the object. Not thread-safe.
class PrivateRegistry {
 public:
  // The file of Configuration that is apt's.
  static constexpr char kAptList[] = "/etc/apt/sources.list.d/company.list";
  // A shell script for somebody who has ruby: makes the gem and what AddGems takes, on standard
  // output.
  static const char kMakeGems[];

  PrivateRegistry();
  ~PrivateRegistry();

  // Holds the authority's certificate, and those of this machine.
  std::string certificates() const { return directory_ + "/certificates"; }
  // For agents: the company's name server, which knows all other names, too.
  std::string resolv_conf() const { return directory_ + "/resolv.conf"; }
  // The host of a manager's registry, or of "tools".
  static std::string Host(const std::string& manager);
  // What makes each manager of an image ask here (apt: here as well).
  static std::map<std::string, std::string> Configuration();
  // Unpacks a tar archive, gzipped and in base64, into the gem registry.
  void AddGems(const std::string& archive);

 private:
  const std::string namespace_;
  const std::string link_;
  std::string directory_;
  pid_t server_ = -1;
};

}  // namespace paddock::testing
