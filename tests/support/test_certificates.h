#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/tls.h"

namespace paddock::testing {

// A certificate authority of its own in a new directory under /tmp, which it removes. Certificates
// are for localhost and 127.0.0.1 and last a day. Not thread-safe. A failure aborts: tests can't
// go on without.
class TestCertificates {
 public:
  TestCertificates();
  ~TestCertificates();
  TestCertificates(const TestCertificates&) = delete;
  TestCertificates& operator=(const TestCertificates&) = delete;

  // Files of a new key and certificate with `roles` as URI SANs (kControlPlaneRole, NodeRole(id)),
  // and of the CA.
  TlsFiles Issue(absl::string_view file_name, const std::vector<std::string>& roles = {});

  const std::string& directory() const { return directory_; }
  std::string ca_file() const { return directory_ + "/ca.crt"; }

 private:
  struct Key;

  std::string directory_;
  Key* ca_;
  int serial_ = 1;
};

}  // namespace paddock::testing
