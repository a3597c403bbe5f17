#include "nodeagent/session/session_record.h"

#include <gtest/gtest.h>

namespace paddock::nodeagent {
namespace {

SessionRecord Full() {
  SessionRecord record;
  record.spec.session_id = "sesn_x";
  record.spec.generation = 3;
  record.spec.image_digest = "sha256:a";
  record.spec.limits = {2000, 1 << 20, 100, 1 << 30, 50};
  record.spec.runtime_class = "runsc";
  record.spec.on_node_loss = OnNodeLoss::kReschedule;
  record.spec.network.policy = {
      NetworkPolicy::Kind::kLimited, {"a.example", "*.b.example"}, {{"m.example", 8443}}};
  record.spec.network.allow_package_managers = true;
  record.registry_hosts = {"index.example"};
  record.spec.keep_volume = true;
  record.status.session_id = "sesn_x";
  record.status.generation = 3;
  record.status.phase = SessionPhase::kTerminated;
  record.status.reason = "OOM_KILLED";
  record.status.message = "said \"so\"\n";
  record.status.exit_code = 137;
  record.status.signal = 9;
  record.status.started_at = absl::FromUnixMicros(1'700'000'000'000'001);
  record.status.step_durations["volume"] = absl::Microseconds(35);
  record.boot_id = "boot";
  record.start_attempts = 2;
  record.pair = PairRecord{4, 1879310336, "10.0.0.20", "10.0.0.3", "s4"};
  record.container = RunningContainer{4321, 99};
  record.runtime = "runc";
  record.background_execs = {"a", "b"};
  record.removed = true;
  return record;
}

TEST(SessionRecordTest, ReadsWhatItWrote) {
  const SessionRecord record = Full();
  const auto read = DecodeSessionRecord(EncodeSessionRecord(record));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(EncodeSessionRecord(*read), EncodeSessionRecord(record));
  EXPECT_EQ(read->spec.limits.io_weight, 50);
  EXPECT_EQ(read->status.exit_code, 137);
  EXPECT_EQ(read->status.started_at, record.status.started_at);
  EXPECT_EQ(read->status.ended_at, absl::InfinitePast());
  EXPECT_EQ(read->pair->router_veth, "s4");
  EXPECT_EQ(read->container->start_time, 99u);
  EXPECT_EQ(read->runtime, "runc");
}

TEST(SessionRecordTest, APolicyIsTheOneItWasCreatedWith) {
  const NetworkPolicy policy = DecodeSessionRecord(EncodeSessionRecord(Full()))->Policy();
  EXPECT_EQ(policy.kind, NetworkPolicy::Kind::kLimited);
  EXPECT_EQ(policy.hosts, (std::vector<std::string>{"a.example", "*.b.example", "index.example"}));
  ASSERT_EQ(policy.host_ports.size(), 1u);
  EXPECT_EQ(policy.host_ports[0].host, "m.example");
  EXPECT_EQ(policy.host_ports[0].port, 8443);
}

TEST(SessionRecordTest, RegistriesCountOnlyWhereTheyAreAllowed) {
  SessionRecord record = Full();
  record.spec.network.allow_package_managers = false;
  EXPECT_EQ(record.Policy().hosts, (std::vector<std::string>{"a.example", "*.b.example"}));
}

NetworkPolicy::Kind KindOf(const std::string& network) {
  const std::string record = R"({"spec":{"session_id":"a","generation":1,"network":)" + network +
                             R"(},"status":{"phase":"RUNNING"}})";
  const auto read = DecodeSessionRecord(record);
  EXPECT_TRUE(read.ok()) << read.status() << " for " << network;
  return read.ok() ? read->Policy().kind : NetworkPolicy::Kind::kUnrestricted;
}

TEST(SessionRecordTest, RecordsOfEarlierAgentsAreRead) {
  EXPECT_EQ(KindOf("1"), NetworkPolicy::Kind::kUnrestricted);
  EXPECT_EQ(KindOf("2"), NetworkPolicy::Kind::kNone);
  EXPECT_EQ(KindOf("0"), NetworkPolicy::Kind::kNone);
}

TEST(SessionRecordTest, APolicyThatCantBeReadIsNoNetwork) {
  for (const char* network :
       {"null", "[]", "{}", "\"unrestricted\"", R"({"kind":"open"})", R"({"kind":"limited"})",
        R"({"kind":"limited","hosts":"a","allow_package_managers":true,"host_ports":[]})",
        R"({"kind":"limited","hosts":[],"allow_package_managers":1,"host_ports":[]})",
        R"({"kind":"limited","hosts":[],"allow_package_managers":true,"host_ports":[7]})"}) {
    EXPECT_EQ(KindOf(network), NetworkPolicy::Kind::kNone) << network;
  }
}

TEST(SessionRecordTest, BytesThatAreNoUtf8DontBreakIt) {
  SessionRecord record = Full();
  record.status.message = "\xff\xfe";
  EXPECT_TRUE(DecodeSessionRecord(EncodeSessionRecord(record)).ok());
}

TEST(SessionRecordTest, RefusesDamagedRecords) {
  const std::string whole = EncodeSessionRecord(Full());
  for (const std::string& damaged :
       {std::string(), whole.substr(0, whole.size() / 2), std::string("[]"), std::string("{}"),
        std::string(R"({"spec":{"session_id":7},"status":{}})"),
        std::string(R"({"spec":{"session_id":"a","generation":1},"status":{"phase":"NO"}})")}) {
    EXPECT_EQ(DecodeSessionRecord(damaged).status().code(), absl::StatusCode::kInvalidArgument)
        << damaged;
  }
}

TEST(SessionRecordTest, KeepsVolumesOfKeepSessionsThatWereLost) {
  SessionRecord record = Full();
  record.status.exit_code.reset();
  record.status.reason = std::string(kReasonNodeRebooted);
  EXPECT_FALSE(record.KeepsVolume());
  record.spec.on_node_loss = OnNodeLoss::kKeep;
  EXPECT_TRUE(record.KeepsVolume());
  record.status.reason = std::string(kReasonContainerExited);
  EXPECT_FALSE(record.KeepsVolume());
  // A start from a kept volume that failed.
  record.status.reason = std::string(kReasonStartFailed);
  record.status.started_at = absl::InfinitePast();
  EXPECT_TRUE(record.KeepsVolume());
}

}  // namespace
}  // namespace paddock::nodeagent
