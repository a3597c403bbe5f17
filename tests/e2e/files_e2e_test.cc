// Uploads that fail while they are under way, through the public port of a running system.

#include <gmock/gmock.h>

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/e2e/e2e_environment.h"

namespace paddock::testing {
namespace {

using FilesE2eTest = E2eTest;

constexpr int kMessageBytes = 1 << 20;

// What a client sees that sends `mebibytes` messages to `path`, however early it is refused.
grpc::Status Upload(PaddockClient* client, const std::string& session_id, const std::string& path,
                    int mebibytes) {
  const auto context = client->Context();
  v1::WriteFileResponse response;
  const auto writer = client->sessions().WriteFile(context.get(), &response);
  v1::WriteFileRequest request;
  request.mutable_start()->set_session_id(session_id);
  request.mutable_start()->set_path(path);
  bool open = writer->Write(request);
  request.set_data(std::string(kMessageBytes, 'x'));
  for (int i = 0; open && i < mebibytes; ++i) open = writer->Write(request);
  writer->WritesDone();
  return writer->Finish();
}

// The end of the file command, the next read and the client's half-close meet in every order.
TEST_F(FilesE2eTest, RefusedUploadsHarmNobody) {
  const v1::Session session = NewSession();
  Shell(session, "ln -s loop /workspace/loop; mkfifo /workspace/fifo");
  for (const std::string path : {"/tmp", "/workspace/loop", "/workspace/fifo"}) {
    for (int i = 0; i < 40; ++i) {
      const grpc::Status status = Upload(&client(), session.id(), path, i % 4);
      ASSERT_NE(status.error_code(), grpc::StatusCode::OK) << path;
      ASSERT_NE(status.error_code(), grpc::StatusCode::UNAVAILABLE)
          << path << ", upload " << i << ": " << status.error_message();
    }
  }
  EXPECT_EQ(Shell(session, "echo here").out, "here\n");
}

TEST_F(FilesE2eTest, AnUploadThatFillsTheDiskSaysSo) {
  v1::CreateSessionRequest request;
  request.set_environment_id(environment_id());
  request.mutable_compute()->mutable_limits()->set_disk_bytes(int64_t{32} << 20);
  const v1::Session session = NewSession(request);
  for (int i = 0; i < 10; ++i) {
    const grpc::Status status = Upload(&client(), session.id(), "big", 40);
    ASSERT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED) << status.error_message();
  }
  EXPECT_EQ(Shell(session, "rm -f /workspace/big; echo here").out, "here\n");
}

}  // namespace
}  // namespace paddock::testing
