#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "nodeagent/system/file.h"
#include "tests/privileged/egress_fixture.h"

namespace paddock::nodeagent {

// Programs of this machine in real sandboxes, which have its root file system below their own.
class EgressClientsTest : public EgressTest {
 protected:
  static void SetUpTestSuite() {
    MakeWorld(SandboxHost::Root::kMachine);
    if (world_ != nullptr) world_->servers().MakePackages();
  }

  // A session that trusts the pretend internet's authority.
  std::unique_ptr<LimitedSession> Trusting() {
    auto session = Limited();
    const std::string ca = ReadFile(world_->servers().CaFile()).value_or("");
    session->Shell(absl::StrCat("cat > /root/ca.pem <<'END'\n", ca, "END\n"));
    return session;
  }
  std::string Run(LimitedSession& session, const std::string& script,
                  absl::Duration timeout = absl::Seconds(60)) {
    return session.Shell(
        absl::StrCat("cd /root; export CURL_CA_BUNDLE=/root/ca.pem SSL_CERT_FILE=/root/ca.pem "
                     "REQUESTS_CA_BUNDLE=/root/ca.pem GIT_SSL_CAINFO=/root/ca.pem "
                     "NODE_EXTRA_CA_CERTS=/root/ca.pem\n",
                     script),
        timeout);
  }
};

}  // namespace paddock::nodeagent
