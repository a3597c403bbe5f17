// Environments with packages over real gRPC, with pretended builds.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/ids.h"
#include "tests/integration/fake_node_agent.h"
#include "tests/integration/in_process_replica.h"

namespace paddock::testing {

template <typename Condition>
bool Eventually(Condition condition) {
  const absl::Time give_up = absl::Now() + absl::Seconds(30);
  while (!condition()) {
    if (absl::Now() > give_up) return false;
    absl::SleepFor(absl::Milliseconds(2));
  }
  return true;
}

inline InProcessReplica::Options Quick(InProcessReplica* beside = nullptr) {
  InProcessReplica::Options options;
  options.settings.heartbeat_interval = absl::Milliseconds(200);
  options.settings.not_ready_after = absl::Seconds(2);
  options.settings.build_lease = absl::Seconds(2);
  options.beside = beside;
  return options;
}

// A control plane replica, and one node that pretends to build and to run.
class ImageApiTest : public ::testing::Test {
 protected:
  explicit ImageApiTest(const InProcessReplica::Options& options = Quick())
      : replica_(std::make_unique<InProcessReplica>(options)),
        client_(replica_->Client()),
        node_(NewAgent()) {}

  void TearDown() override { EXPECT_FALSE(FakeNodeAgent::EverBuiltTwiceAtOnce()); }

  std::unique_ptr<FakeNodeAgent> NewAgent() {
    const std::string id = NewId(kNodePrefix, absl::Now());
    auto agent =
        std::make_unique<FakeNodeAgent>(id, replica_->certificates().Issue(id, {NodeRole(id)}));
    const grpc::Status status = agent->Register(replica_->internal_port());
    EXPECT_TRUE(status.ok()) << status.error_message();
    agent->KeepBeating(replica_->internal_port());
    return agent;
  }

  static v1::CreateEnvironmentRequest Named(const std::string& name) {
    v1::CreateEnvironmentRequest request;
    request.set_name(name);
    request.mutable_config()->mutable_cloud();
    return request;
  }

  static v1::CreateEnvironmentRequest With(const std::string& name, const std::string& apt,
                                           const std::string& pip) {
    v1::CreateEnvironmentRequest request = Named(name);
    v1::Packages* packages = request.mutable_config()->mutable_cloud()->mutable_packages();
    if (!apt.empty()) packages->add_apt(apt);
    if (!pip.empty()) packages->add_pip(pip);
    return request;
  }

  v1::Environment Create(const v1::CreateEnvironmentRequest& request) {
    v1::Environment environment;
    const grpc::Status status =
        client_.environments().CreateEnvironment(client_.Context().get(), request, &environment);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return environment;
  }

  v1::Environment Get(const std::string& id) {
    v1::GetEnvironmentRequest request;
    request.set_environment_id(id);
    v1::Environment environment;
    (void)client_.environments().GetEnvironment(client_.Context().get(), request, &environment);
    return environment;
  }

  v1::EnvironmentImage Reach(const std::string& id, v1::ImageState state) {
    EXPECT_TRUE(Eventually([&] { return Get(id).image().state() == state; }))
        << Get(id).ShortDebugString();
    return Get(id).image();
  }

  v1::Environment Rebuild(const std::string& id, bool refresh) {
    v1::RebuildEnvironmentRequest request;
    request.set_environment_id(id);
    request.set_refresh(refresh);
    v1::Environment environment;
    const grpc::Status status =
        client_.environments().RebuildEnvironment(client_.Context().get(), request, &environment);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return environment;
  }

  absl::StatusOr<v1::Session> CreateSession(const std::string& environment_id, int wait_seconds) {
    v1::CreateSessionRequest request;
    request.set_environment_id(environment_id);
    request.mutable_wait()->set_seconds(wait_seconds);
    return client_.CreateSession(request);
  }

  // The log as a watcher that comes now gets it, until the image is READY and `end` was called by
  // then: what that changes of the environment is the last that the watcher hears.
  std::vector<std::string> LogOf(PaddockClient& client, const std::string& id) {
    v1::WatchEnvironmentRequest request;
    request.set_environment_id(id);
    const auto context = client.Context();
    const auto stream = client.environments().WatchEnvironment(context.get(), request);
    v1::WatchEnvironmentResponse event;
    std::vector<std::string> log;
    const std::string end = NewId("end", absl::Now());
    bool asked = false;
    while (stream->Read(&event)) {
      if (event.has_log()) {
        log.push_back(absl::StrCat(event.log().manager(), ": ", event.log().line()));
      } else if (event.environment().description() == end) {
        context->TryCancel();
      } else if (event.environment().image().state() == v1::IMAGE_STATE_READY && !asked) {
        // The log of a READY image is told before any later change.
        asked = true;
        Describe(id, end);
      }
    }
    (void)stream->Finish();
    return log;
  }

  void Describe(const std::string& id, const std::string& description) {
    v1::UpdateEnvironmentRequest request;
    request.set_environment_id(id);
    request.set_description(description);
    v1::Environment environment;
    const grpc::Status status =
        client_.environments().UpdateEnvironment(client_.Context().get(), request, &environment);
    EXPECT_TRUE(status.ok()) << status.error_message();
  }

  // What the replica has counted.
  double Counted(const std::string& metric) {
    double sum = 0;
    for (const prometheus::MetricFamily& family : replica_->metrics().Collect()) {
      if (family.name != metric) continue;
      for (const prometheus::ClientMetric& value : family.metric) {
        sum += value.counter.value + value.gauge.value +
               static_cast<double>(value.histogram.sample_count);
      }
    }
    return sum;
  }

  std::unique_ptr<InProcessReplica> replica_;
  PaddockClient client_;
  std::unique_ptr<FakeNodeAgent> node_;
};

}  // namespace paddock::testing
