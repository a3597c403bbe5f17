#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/support/paddock_client.h"
#include "tests/support/test_certificates.h"

namespace paddock::testing {

// A control plane replica as a process of its own, on ports of the loopback interface. Ends with
// the object. Not thread-safe.
class TestReplica {
 public:
  struct Options {
    std::string database_url;
    TestCertificates* certificates = nullptr;  // Shared with nodes and other replicas.
    std::vector<std::string> flags;
  };

  TestReplica(int number, Options options);
  ~TestReplica();

  // "" when it serves; else why not.
  std::string Start();
  // SIGKILL.
  void Kill();

  // Makes a key, in the database.
  std::string NewKey() const;
  Endpoint EndpointFor(const std::string& key) const;
  int internal_port() const { return internal_port_; }
  // A metric's sum over its labels.
  double Metric(const std::string& name) const;
  std::string Log() const;

 private:
  const Options options_;
  const int port_;
  const int internal_port_;
  const int metrics_port_;
  std::string directory_;
  TlsFiles server_;
  TlsFiles own_;
  pid_t pid_ = -1;
};

}  // namespace paddock::testing
