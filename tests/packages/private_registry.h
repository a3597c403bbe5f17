#pragma once

#include <sys/types.h>

#include <map>
#include <string>

namespace paddock::testing {

// A registry of all six package managers in a network namespace of its own, over TLS with a
// certificate of an authority that nobody knows (private_registry.py). Each has one package,
// hello-<manager>; the gem is for the test to add. Ends with the object. Not thread-safe.
class PrivateRegistry {
 public:
  PrivateRegistry();
  ~PrivateRegistry();

  // Holds the authority's certificate, and those of this machine.
  std::string certificates() const { return directory_ + "/certificates"; }
  // What makes each manager of an image ask here (apt: here as well).
  std::map<std::string, std::string> Configuration() const;
  // Unpacks a tar archive, gzipped and in base64, into the gem registry.
  void AddGems(const std::string& archive);

 private:
  const std::string namespace_;
  const std::string link_;
  std::string directory_;
  pid_t server_ = -1;
};

}  // namespace paddock::testing
