#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/support/paddock_client.h"

namespace paddock::testing {

// Tests against a running system: the quickstart's, whose PADDOCK_HOME the environment names. Every
// session and environment that a test makes through it is deleted at the end of the test.
class E2eTest : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  PaddockClient& client() { return *client_; }
  const Endpoint& endpoint() const { return endpoint_; }
  // A plain cloud environment of this test; made at the first call.
  const std::string& environment_id();
  // A RUNNING session, or a fatal failure with its reason.
  v1::Session NewSession();
  v1::Session NewSession(v1::CreateSessionRequest request);
  // `sh -c script` in the session; expects that the call itself succeeds.
  ExecResult Shell(const v1::Session& session, const std::string& script);
  // Waits until GetSession shows `state`; the last answer is returned either way.
  v1::Session WaitForState(const std::string& session_id, v1::SessionState state,
                           absl::Duration timeout = absl::Seconds(30));
  // A client with a new key of `workspace`.
  std::unique_ptr<PaddockClient> ClientOfWorkspace(const std::string& workspace);
  // A name that no other test or run uses.
  static std::string UniqueName(const std::string& stem);

 private:
  Endpoint endpoint_;
  std::unique_ptr<PaddockClient> client_;
  std::string environment_id_;
  std::vector<std::string> sessions_;
};

}  // namespace paddock::testing
