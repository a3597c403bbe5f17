#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/ids.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/integration/fake_node_agent.h"
#include "tests/integration/in_process_replica.h"
#include "tests/support/https_client.h"

namespace paddock::testing {

// A replica with a real database and a pretended node agent, and what asks it over HTTPS.
class RestFixture : public ::testing::Test {
 protected:
  explicit RestFixture(const InProcessReplica::Options& options = InProcessReplica::Options())
      : replica_(std::make_unique<InProcessReplica>(options)),
        key_(replica_->NewKey("default", false)),
        node_id_(NewId(kNodePrefix, absl::Now())),
        node_(node_id_, replica_->certificates().Issue(node_id_, {NodeRole(node_id_)})) {}

  void SetUp() override {
    const grpc::Status status = node_.Register(replica_->internal_port());
    ASSERT_TRUE(status.ok()) << status.error_message();
  }

  int port() { return replica_->rest_server().port(); }
  std::unique_ptr<HttpsClient> Connect(const std::string& alpn = "") {
    return std::make_unique<HttpsClient>(port(), replica_->certificates().ca_file(), alpn);
  }
  std::vector<std::string> Headers() const {
    return {"x-api-key: " + key_, "anthropic-beta: managed-agents-2026-04-01"};
  }

  // One request on a connection of its own.
  HttpsAnswer Ask(const std::string& method, const std::string& target,
                  const std::string& body = "") {
    return Connect()->Ask(method, target, Headers(), body);
  }
  // The same; its answer must be 200 and JSON.
  nlohmann::json Get(const std::string& target) { return Good(Ask("GET", target)); }
  nlohmann::json Post(const std::string& target, const nlohmann::json& body) {
    return Good(Ask("POST", target, body.dump()));
  }
  static nlohmann::json Good(const HttpsAnswer& answer) {
    EXPECT_EQ(answer.status, 200) << answer.body;
    return nlohmann::json::parse(answer.body, nullptr, false);
  }
  static std::string ErrorCode(const HttpsAnswer& answer) {
    const auto json = nlohmann::json::parse(answer.body, nullptr, false);
    if (!json.is_object() || !json.contains("error")) return "";
    return json["error"]["details"].value("error_code", "");
  }
  static std::string Message(const HttpsAnswer& answer) {
    const auto json = nlohmann::json::parse(answer.body, nullptr, false);
    if (!json.is_object() || !json.contains("error")) return "";
    return json["error"].value("message", "");
  }

  std::unique_ptr<InProcessReplica> replica_;
  const std::string key_;
  const std::string node_id_;
  FakeNodeAgent node_;
};

}  // namespace paddock::testing
