#include "common/grpc_server.h"

#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "common/tls.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "tests/support/test_certificates.h"

namespace paddock {
namespace {

using grpc::health::v1::Health;
using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

class GrpcServerTest : public ::testing::Test {
 protected:
  GrpcServerTest() {
    const TlsFiles files = certificates_.Issue("server", {kControlPlaneRole});
    identity_ = TlsIdentity::Load(files).value();
    options_.listen = "127.0.0.1:0";
    options_.credentials = identity_->MutualServer();
  }

  void Start() {
    auto server = GrpcServer::Start(options_);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    channel_ = grpc::CreateChannel("127.0.0.1:" + std::to_string(server_->port()),
                                   identity_->MutualChannel(kControlPlaneRole));
    stub_ = Health::NewStub(channel_);
  }

  std::unique_ptr<grpc::ClientContext> Context() {
    auto context = std::make_unique<grpc::ClientContext>();
    context->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    return context;
  }

  grpc::Status Check(const std::string& service, HealthCheckResponse* response) {
    HealthCheckRequest request;
    request.set_service(service);
    return stub_->Check(Context().get(), request, response);
  }

  // Whether the server has the method, by the code of a call with an empty body.
  bool Implements(const std::string& method) {
    auto context = Context();
    const grpc::internal::RpcMethod rpc(method.c_str(),
                                        grpc::internal::RpcMethod::SERVER_STREAMING);
    HealthCheckRequest request;
    std::unique_ptr<grpc::ClientReader<HealthCheckResponse>> reader(
        grpc::internal::ClientReaderFactory<HealthCheckResponse>::Create(channel_.get(), rpc,
                                                                         context.get(), request));
    HealthCheckResponse response;
    while (reader->Read(&response)) {
    }
    return reader->Finish().error_code() != grpc::StatusCode::UNIMPLEMENTED;
  }

  testing::TestCertificates certificates_;
  std::shared_ptr<TlsIdentity> identity_;
  GrpcServerOptions options_;
  std::unique_ptr<GrpcServer> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<Health::Stub> stub_;
};

TEST_F(GrpcServerTest, HealthIsNotServingUntilToldOtherwise) {
  Start();
  HealthCheckResponse response;
  ASSERT_TRUE(Check("", &response).ok());
  EXPECT_EQ(response.status(), HealthCheckResponse::NOT_SERVING);
  server_->health().Set("a.Service", false);
  server_->health().SetAll(true);
  ASSERT_TRUE(Check("", &response).ok());
  EXPECT_EQ(response.status(), HealthCheckResponse::SERVING);
  ASSERT_TRUE(Check("a.Service", &response).ok());
  EXPECT_EQ(response.status(), HealthCheckResponse::SERVING);
}

TEST_F(GrpcServerTest, HealthOfAnUnknownServiceIsNotFound) {
  Start();
  HealthCheckResponse response;
  EXPECT_EQ(Check("no.Service", &response).error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(GrpcServerTest, HealthWatchTellsEveryChangeAndTheEnd) {
  Start();
  auto context = Context();
  auto reader = stub_->Watch(context.get(), {});
  HealthCheckResponse response;
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::NOT_SERVING);
  server_->health().SetAll(true);
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::SERVING);
  server_->health().Shutdown();
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::NOT_SERVING);
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(GrpcServerTest, ReflectionIsServed) {
  Start();
  EXPECT_TRUE(Implements("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"));
}

TEST_F(GrpcServerTest, ChannelzIsServedOnlyWhereAskedFor) {
  options_.channelz = true;
  Start();
  EXPECT_TRUE(Implements("/grpc.channelz.v1.Channelz/GetServers"));
  // In the same process, after the plug-in was installed.
  options_.channelz = false;
  Start();
  EXPECT_FALSE(Implements("/grpc.channelz.v1.Channelz/GetServers"));
}

TEST_F(GrpcServerTest, AMessageAboveTheLimitIsResourceExhausted) {
  options_.max_message_bytes = 64 * 1024;
  Start();
  HealthCheckResponse response;
  EXPECT_EQ(Check(std::string(32 * 1024, 'x'), &response).error_code(),
            grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(Check(std::string(128 * 1024, 'x'), &response).error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(GrpcServerTest, ATakenPortIsUnavailable) {
  Start();
  options_.listen = "127.0.0.1:" + std::to_string(server_->port());
  EXPECT_TRUE(absl::IsUnavailable(GrpcServer::Start(options_).status()));
}

TEST_F(GrpcServerTest, DrainEndsWatchersAndRefusesNewCalls) {
  Start();
  auto context = Context();
  auto reader = stub_->Watch(context.get(), {});
  HealthCheckResponse response;
  ASSERT_TRUE(reader->Read(&response));
  server_->Drain(absl::Seconds(10));
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_EQ(Check("", &response).error_code(), grpc::StatusCode::UNAVAILABLE);
}

}  // namespace
}  // namespace paddock
