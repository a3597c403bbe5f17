#include "controlplane/rpc/node_messages.h"

#include <gtest/gtest.h>

#include "common/error_details.h"

namespace paddock {
namespace {

internal::v1::SessionStatus Running() {
  internal::v1::SessionStatus status;
  status.set_session_id("sesn_1");
  status.set_generation(3);
  status.set_phase(internal::v1::SESSION_PHASE_RUNNING);
  return status;
}

TEST(NodeMessagesTest, ASpecIsTakenWhole) {
  SessionSpec spec;
  spec.session_id = SessionId("sesn_1");
  spec.generation = 2;
  spec.tenant = {"o", "w"};
  spec.image_digest = "sha256:x";
  spec.limits = {1, 2, 3, 4};
  spec.runtime_class = "runsc";
  spec.on_node_loss = OnNodeLoss::kReschedule;
  spec.network = {true, {"a.example"}, true, {{"m.example", 8443}}};
  spec.keep_volume = true;
  const internal::v1::SessionSpec proto = ToProto(spec);
  EXPECT_EQ(proto.session_id(), "sesn_1");
  EXPECT_EQ(proto.generation(), 2);
  EXPECT_EQ(proto.workspace(), "w");
  EXPECT_EQ(proto.limits().pids(), 4);
  EXPECT_EQ(proto.runtime_class(), "runsc");
  EXPECT_EQ(proto.on_node_loss(), v1::ON_NODE_LOSS_RESCHEDULE);
  EXPECT_EQ(proto.network().limited().hosts(0), "a.example");
  EXPECT_TRUE(proto.network().limited().allow_package_managers());
  ASSERT_EQ(proto.network().limited().host_ports_size(), 1);
  EXPECT_EQ(proto.network().limited().host_ports(0).host(), "m.example");
  EXPECT_EQ(proto.network().limited().host_ports(0).port(), 8443);
  EXPECT_TRUE(proto.keep_volume());
}

TEST(NodeMessagesTest, ALimitedNetworkWithoutHostsStaysLimited) {
  SessionSpec spec;
  spec.network.limited = true;
  EXPECT_TRUE(ToProto(spec).network().has_limited());
  spec.network.limited = false;
  EXPECT_TRUE(ToProto(spec).network().has_unrestricted());
}

TEST(NodeMessagesTest, DesiredEntriesRunOrStop) {
  DesiredSession run{7, SessionSpec()};
  EXPECT_TRUE(ToProto(run).has_run());
  EXPECT_EQ(ToProto(run).revision(), 7);
  DesiredSession stop{8, SessionStop{SessionId("sesn_1"), 4, "DELETED"}};
  EXPECT_EQ(ToProto(stop).stop().generation(), 4);
  EXPECT_EQ(ToProto(stop).stop().reason(), "DELETED");
}

TEST(NodeMessagesTest, AStatusIsTakenWhole) {
  internal::v1::SessionStatus proto = Running();
  proto.set_phase(internal::v1::SESSION_PHASE_TERMINATED);
  proto.set_reason("OOM_KILLED");
  proto.set_exit_code(0);
  proto.mutable_ended_at()->set_seconds(9);
  (*proto.mutable_step_durations())["volume"].set_nanos(5'000'000);
  const auto status = FromProto(proto);
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ(status->state, SessionPhase::kTerminated);
  EXPECT_EQ(status->reason, "OOM_KILLED");
  EXPECT_EQ(status->exit_code, std::optional<int>(0));
  EXPECT_FALSE(status->started_at.has_value());
  EXPECT_EQ(status->ended_at, absl::FromUnixSeconds(9));
  EXPECT_EQ(status->step_durations.at("volume"), absl::Milliseconds(5));
}

TEST(NodeMessagesTest, AnExitCodeThatIsUnknownIsNotZero) {
  const auto status = FromProto(Running());
  ASSERT_TRUE(status.ok());
  EXPECT_FALSE(status->exit_code.has_value());
}

TEST(NodeMessagesTest, MalformedStatusesAreNamed) {
  const auto field = [](const internal::v1::SessionStatus& proto) -> std::string {
    const auto violations = ViolationsOf(FromProto(proto).status());
    return violations.size() == 1 ? violations[0].field : "";
  };
  internal::v1::SessionStatus proto = Running();
  proto.clear_session_id();
  EXPECT_EQ(field(proto), "session_id");
  proto = Running();
  proto.set_generation(0);
  EXPECT_EQ(field(proto), "generation");
  proto = Running();
  proto.clear_phase();
  EXPECT_EQ(field(proto), "phase");
  proto = Running();
  proto.mutable_started_at()->set_nanos(-1);
  EXPECT_EQ(field(proto), "started_at");
  proto = Running();
  (*proto.mutable_step_durations())["x"].set_seconds(INT64_MAX);
  EXPECT_EQ(field(proto), "step_durations");
}

TEST(NodeMessagesTest, OneMalformedStatusRefusesTheHeartbeat) {
  internal::v1::HeartbeatRequest request;
  *request.add_sessions() = Running();
  ASSERT_TRUE(FromProto(request).ok());
  request.add_sessions();
  EXPECT_TRUE(absl::IsInvalidArgument(FromProto(request).status()));
}

}  // namespace
}  // namespace paddock
