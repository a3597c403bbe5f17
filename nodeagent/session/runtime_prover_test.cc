#include "nodeagent/session/runtime_prover.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/fakes/nodeagent/session_fixture.h"

namespace paddock::nodeagent {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class RuntimeProverTest : public SessionFixture {
 protected:
  RuntimeProverTest() : resources_(resources()) {
    resources_.runtimes["runsc"] = resources_.runtimes[""];
  }
  absl::Status Prove() {
    return RuntimeProver(&resources_, "boot-1", absl::Seconds(1)).Prove("runsc");
  }
  NodeResources resources_;
};

TEST_F(RuntimeProverTest, TellsWhatTheRuntimeSaidAndLeavesNothing) {
  machine().FailCalls("runtime.Start", absl::InternalError("runsc ended with code 128: why"));
  const absl::Status proof = Prove();
  EXPECT_EQ(proof.message(), "runsc ended with code 128: why");
  EXPECT_THAT(machine().Things(), IsEmpty());
  EXPECT_FALSE(PathExists(paths().SessionDir("proof-runsc")));
}

TEST_F(RuntimeProverTest, AContainerThatTakesNoCommandProvesNothing) {
  // Nobody is behind the pretended container's socket.
  const absl::Status proof = Prove();
  EXPECT_THAT(std::string(proof.message()), HasSubstr("this runtime starts no helpers"));
  EXPECT_THAT(machine().Calls(), Contains("runtime.Destroy"));
  EXPECT_THAT(machine().Things(), IsEmpty());
}

TEST_F(RuntimeProverTest, LeavesTheGatewayAlone) {
  (void)Prove();
  EXPECT_THAT(machine().Calls(), Contains("runtime.Start"));
  EXPECT_THAT(machine().Calls(), Not(Contains("gateway.Put")));
}

TEST_F(RuntimeProverTest, SweepsWhatAnInterruptedProofLeft) {
  machine().FailCalls("runtime.Destroy", absl::InternalError("killed"));
  (void)Prove();
  machine().ClearFailures();
  EXPECT_THAT(machine().Things(), Contains("container:proof-runsc"));
  resources_ = machine().NewAgent();
  resources_.runtimes["runsc"] = resources_.runtimes[""];
  RuntimeProver(&resources_, "boot-1").Sweep();
  EXPECT_THAT(machine().Things(), IsEmpty());
}

}  // namespace
}  // namespace paddock::nodeagent
