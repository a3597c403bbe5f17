#pragma once

#include <string>

#include "absl/time/clock.h"
#include "common/ids.h"
#include "gtest/gtest.h"
#include "tests/integration/fake_node_agent.h"
#include "tests/integration/in_process_replica.h"

namespace paddock::testing {

// A replica with a real database behind real gRPC, a client of it and a pretended node agent.
class NodeApiFixture : public ::testing::Test {
 protected:
  NodeApiFixture()
      : replica_(InProcessReplica::Options()),
        client_(replica_.Client()),
        node_id_(NewId(kNodePrefix, absl::Now())),
        node_(node_id_, replica_.certificates().Issue(node_id_, {NodeRole(node_id_)})) {}

  void SetUp() override {
    const grpc::Status status = node_.Register(replica_.internal_port());
    ASSERT_TRUE(status.ok()) << status.error_message();
  }

  InProcessReplica replica_;
  PaddockClient client_;
  const std::string node_id_;
  FakeNodeAgent node_;
};

}  // namespace paddock::testing
