#include "common/tls.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>

#include "common/grpc_server.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "tests/support/test_certificates.h"

namespace paddock {
namespace {

using grpc::health::v1::Health;
using testing::TestCertificates;

// A health service that only the control plane may call, as internal services check it.
class GuardedHealth final : public Health::CallbackService {
 public:
  grpc::ServerUnaryReactor* Check(grpc::CallbackServerContext* context,
                                  const grpc::health::v1::HealthCheckRequest*,
                                  grpc::health::v1::HealthCheckResponse*) override {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    const absl::Status allowed = CheckPeerRole(*context->auth_context(), kControlPlaneRole);
    reactor->Finish(grpc::Status(static_cast<grpc::StatusCode>(allowed.code()),
                                 std::string(allowed.message())));
    return reactor;
  }
};

class TlsTest : public ::testing::Test {
 protected:
  // A server with that certificate, which wants clients with one.
  void Serve(const TlsFiles& files) {
    identity_ = TlsIdentity::Load(files).value();
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", identity_->MutualServer(), &port_);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
  }

  grpc::Status Call(const std::shared_ptr<grpc::ChannelCredentials>& credentials) {
    const auto stub =
        Health::NewStub(grpc::CreateChannel("127.0.0.1:" + std::to_string(port_), credentials));
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    grpc::health::v1::HealthCheckResponse response;
    return stub->Check(&context, {}, &response);
  }

  grpc::Status CallAs(const TlsFiles& files, const std::string& server_role) {
    return Call(TlsIdentity::Load(files).value()->MutualChannel(server_role));
  }

  TestCertificates certificates_;
  GuardedHealth service_;
  std::shared_ptr<TlsIdentity> identity_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
};

TEST_F(TlsTest, ControlPlaneReachesTheNodeThatItMeans) {
  Serve(certificates_.Issue("node", {NodeRole("node_a")}));
  const grpc::Status status =
      CallAs(certificates_.Issue("cp", {kControlPlaneRole}), NodeRole("node_a"));
  EXPECT_TRUE(status.ok()) << status.error_message();
}

TEST_F(TlsTest, AnotherNodeAtTheAddressIsNotTalkedTo) {
  Serve(certificates_.Issue("node", {NodeRole("node_b")}));
  const grpc::Status status =
      CallAs(certificates_.Issue("cp", {kControlPlaneRole}), NodeRole("node_a"));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(TlsTest, ANodeMayNotCommandAnotherNode) {
  Serve(certificates_.Issue("node", {NodeRole("node_a")}));
  const grpc::Status status =
      CallAs(certificates_.Issue("other", {NodeRole("node_b")}), NodeRole("node_a"));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
}

TEST_F(TlsTest, ACertificateWithoutARoleMayNothing) {
  Serve(certificates_.Issue("node", {NodeRole("node_a")}));
  const grpc::Status status = CallAs(certificates_.Issue("nobody"), NodeRole("node_a"));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
}

TEST_F(TlsTest, ACertificateOfAnotherAuthorityIsRefused) {
  Serve(certificates_.Issue("node", {NodeRole("node_a")}));
  TestCertificates others;
  TlsFiles files = others.Issue("cp", {kControlPlaneRole});
  files.ca = certificates_.ca_file();  // It trusts the server, the server doesn't trust it.
  EXPECT_EQ(CallAs(files, NodeRole("node_a")).error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(TlsTest, AServerOfAnotherAuthorityIsRefused) {
  TestCertificates others;
  Serve(others.Issue("node", {NodeRole("node_a")}));
  EXPECT_EQ(CallAs(certificates_.Issue("cp", {kControlPlaneRole}), NodeRole("node_a")).error_code(),
            grpc::StatusCode::UNAVAILABLE);
}

TEST_F(TlsTest, AClientWithoutACertificateIsRefused) {
  Serve(certificates_.Issue("node", {NodeRole("node_a")}));
  grpc::SslCredentialsOptions options;
  std::ifstream ca(certificates_.ca_file());
  options.pem_root_certs.assign(std::istreambuf_iterator<char>(ca), {});
  EXPECT_EQ(Call(grpc::SslCredentials(options)).error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(TlsTest, PlainTextIsRefused) {
  Serve(certificates_.Issue("node", {NodeRole("node_a")}));
  EXPECT_EQ(Call(grpc::InsecureChannelCredentials()).error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(TlsTest, LoadNamesTheFileThatIsWrong) {
  TlsFiles files = certificates_.Issue("a");
  files.key = "/nonexistent/key";
  EXPECT_TRUE(absl::IsInvalidArgument(TlsIdentity::Load(files).status()));
  EXPECT_NE(TlsIdentity::Load(files).status().message().find("/nonexistent/key"),
            absl::string_view::npos);

  files = certificates_.Issue("b");
  files.cert = files.key;
  EXPECT_TRUE(absl::IsInvalidArgument(TlsIdentity::Load(files).status()));
}

TEST_F(TlsTest, LoadRefusesTheKeyOfAnotherCertificate) {
  TlsFiles files = certificates_.Issue("a");
  files.key = certificates_.Issue("b").key;
  EXPECT_TRUE(absl::IsInvalidArgument(TlsIdentity::Load(files).status()));
}

}  // namespace
}  // namespace paddock
