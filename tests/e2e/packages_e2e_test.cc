// Environments with packages through the public port of a running system, from the registries that
// its base image names.

#include <gmock/gmock.h>

#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/e2e/e2e_environment.h"

namespace paddock::testing {
namespace {

using ::testing::HasSubstr;

class PackagesE2eTest : public E2eTest {
 protected:
  void TearDown() override {
    for (const std::string& id : sessions_) EXPECT_TRUE(client().DeleteSession(id).ok());
    for (const std::string& id : environments_) EXPECT_TRUE(client().DeleteEnvironment(id).ok());
    E2eTest::TearDown();
  }

  v1::Environment Create(v1::CreateEnvironmentRequest request) {
    request.set_name(UniqueName("packages"));
    v1::Environment environment;
    const grpc::Status status =
        client().environments().CreateEnvironment(client().Context().get(), request, &environment);
    EXPECT_TRUE(status.ok()) << status.error_message();
    environments_.push_back(environment.id());
    return environment;
  }

  // Watches until the image is READY or FAILED, and prints its states as they come; counts the
  // lines of each manager's log.
  v1::EnvironmentImage Settled(const std::string& id, std::map<std::string, int>* lines) {
    v1::WatchEnvironmentRequest request;
    request.set_environment_id(id);
    const auto context = client().Context(absl::Minutes(10));
    const auto stream = client().environments().WatchEnvironment(context.get(), request);
    v1::WatchEnvironmentResponse event;
    v1::EnvironmentImage image;
    const absl::Time begin = absl::Now();
    while (stream->Read(&event)) {
      if (event.has_log()) ++(*lines)[event.log().manager()];
      if (!event.has_environment()) continue;
      image = event.environment().image();
      Print(absl::Now() - begin, image);
      if (image.state() == v1::IMAGE_STATE_READY || image.state() == v1::IMAGE_STATE_FAILED) break;
    }
    context->TryCancel();
    return image;
  }

  static void Print(absl::Duration after, const v1::EnvironmentImage& image) {
    std::printf("  %6.3f s  %s %s\n", absl::ToDoubleSeconds(after),
                v1::ImageState_Name(image.state()).c_str(), image.building_manager().c_str());
    for (const v1::ImageLayer& layer : image.layers()) {
      std::printf("             %-4s %8.1f KiB, built in %.1f s, %.19s…\n", layer.manager().c_str(),
                  static_cast<double>(layer.size_bytes()) / 1024,
                  static_cast<double>(layer.build_duration().seconds()) +
                      layer.build_duration().nanos() * 1e-9,
                  layer.digest().c_str());
    }
    if (image.has_failure()) {
      std::printf("             %s of %s %s, exit code %d: %s\n", image.failure().reason().c_str(),
                  image.failure().manager().c_str(), image.failure().package().c_str(),
                  image.failure().exit_code(), image.failure().message().c_str());
    }
  }

  v1::Session SessionFrom(const std::string& environment_id) {
    const auto session = client().CreateSession(environment_id);
    EXPECT_TRUE(session.ok()) << session.status();
    if (!session.ok()) return v1::Session();
    sessions_.push_back(session->id());
    EXPECT_EQ(session->state(), v1::SESSION_STATE_RUNNING) << session->state_reason();
    return *session;
  }

  std::vector<std::string> environments_;
  std::vector<std::string> sessions_;
};

TEST_F(PackagesE2eTest, WhatIsInstalledIsThereAndIsBuiltOnce) {
  v1::CreateEnvironmentRequest request;
  v1::Packages* packages = request.mutable_config()->mutable_cloud()->mutable_packages();
  packages->add_apt("jq");
  packages->add_pip("six");
  const v1::Environment first = Create(request);
  std::map<std::string, int> lines;
  const v1::EnvironmentImage image = Settled(first.id(), &lines);
  ASSERT_EQ(image.state(), v1::IMAGE_STATE_READY) << image.ShortDebugString();
  ASSERT_EQ(image.layers_size(), 2);
  EXPECT_EQ(image.layers(0).manager(), "apt");
  EXPECT_EQ(image.layers(1).manager(), "pip");
  EXPECT_GT(image.size_bytes(), 0);

  const v1::Session session = SessionFrom(first.id());
  const ExecResult jq = Shell(session, "echo '{\"a\": [1, 2]}' | jq -c .a");
  EXPECT_EQ(jq.out, "[1,2]\n") << jq.err;
  v1::ExecStart as_nobody;
  as_nobody.set_session_id(session.id());
  as_nobody.set_user("nobody");
  for (const char* argument : {"python3", "-c", "import six; print(six.__name__)"}) {
    as_nobody.add_command(argument);
  }
  const auto six = client().Exec(as_nobody);
  ASSERT_TRUE(six.ok()) << six.status();
  EXPECT_EQ(six->out, "six\n") << six->err;

  const absl::Time begin = absl::Now();
  const v1::EnvironmentImage again = Settled(Create(request).id(), &lines);
  EXPECT_LT(absl::Now() - begin, absl::Seconds(1));
  EXPECT_EQ(again.state(), v1::IMAGE_STATE_READY);
  EXPECT_EQ(again.digest(), image.digest());

  packages->add_pip("toml");
  const v1::EnvironmentImage more = Settled(Create(request).id(), &lines);
  ASSERT_EQ(more.state(), v1::IMAGE_STATE_READY) << more.ShortDebugString();
  EXPECT_EQ(more.layers(0).digest(), image.layers(0).digest()) << "the apt layer stays";
}

TEST_F(PackagesE2eTest, AFailureNamesThePackageAndSessionsFailFast) {
  v1::CreateEnvironmentRequest request;
  const std::string missing = "paddock-has-no-such-package";
  request.mutable_config()->mutable_cloud()->mutable_packages()->add_apt(missing);
  const v1::Environment environment = Create(request);
  std::map<std::string, int> lines;
  const v1::EnvironmentImage image = Settled(environment.id(), &lines);
  ASSERT_EQ(image.state(), v1::IMAGE_STATE_FAILED) << image.ShortDebugString();
  EXPECT_EQ(image.failure().manager(), "apt");
  EXPECT_EQ(image.failure().package(), missing);
  EXPECT_NE(image.failure().exit_code(), 0);
  EXPECT_THAT(image.failure().log_tail(), HasSubstr(missing));
  EXPECT_GT(lines["apt"], 0);
  const auto session = client().CreateSession(environment.id());
  EXPECT_EQ(session.status().code(), absl::StatusCode::kFailedPrecondition) << session.status();
  EXPECT_THAT(std::string(session.status().message()), HasSubstr(missing));
}

TEST_F(PackagesE2eTest, ASessionCreatedAtOnceWaitsForItsImage) {
  v1::CreateEnvironmentRequest request;
  request.mutable_config()->mutable_cloud()->mutable_packages()->add_pip("idna");
  const v1::Environment environment = Create(request);
  v1::CreateSessionRequest create;
  create.set_environment_id(environment.id());
  create.mutable_wait()->set_seconds(300);
  const auto context = client().Context(absl::Minutes(6));
  v1::Session session;
  const grpc::Status status = client().sessions().CreateSession(context.get(), create, &session);
  ASSERT_TRUE(status.ok()) << status.error_message();
  sessions_.push_back(session.id());
  ASSERT_EQ(session.state(), v1::SESSION_STATE_RUNNING) << session.state_reason();
  const ExecResult idna = Shell(session, "python3 -c 'import idna'");
  EXPECT_EQ(idna.code, 0) << idna.err;
}

}  // namespace
}  // namespace paddock::testing
