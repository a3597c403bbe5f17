// Sessions, commands, files and nodes over real gRPC, with a pretended node agent.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/error_details.h"
#include "common/grpc_status.h"
#include "common/ids.h"
#include "tests/integration/eventually.h"
#include "tests/integration/node_api_fixture.h"

namespace paddock {
namespace {

using testing::ErrorReason;
using testing::Eventually;
using ::testing::HasSubstr;
using testing::PaddockClient;

class SessionApiTest : public testing::NodeApiFixture {
 protected:
  void SetUp() override {
    NodeApiFixture::SetUp();
    const auto environment = client_.CreateEnvironment("env");
    ASSERT_TRUE(environment.ok()) << environment.status();
    environment_id_ = environment->id();
    const auto session = client_.CreateSession(environment_id_);
    ASSERT_TRUE(session.ok()) << session.status();
    ASSERT_EQ(session->state(), v1::SESSION_STATE_RUNNING) << session->ShortDebugString();
    session_ = *session;
  }

  grpc::Status WriteFile(const std::string& path, const std::string& data, int64_t* size) {
    const auto context = client_.Context();
    v1::WriteFileResponse response;
    const auto writer = client_.sessions().WriteFile(context.get(), &response);
    v1::WriteFileRequest request;
    request.mutable_start()->set_session_id(session_.id());
    request.mutable_start()->set_path(path);
    writer->Write(request);
    for (size_t at = 0; at < data.size(); at += 100'000) {
      request.set_data(data.substr(at, 100'000));
      writer->Write(request);
    }
    writer->WritesDone();
    const grpc::Status status = writer->Finish();
    *size = response.size_bytes();
    return status;
  }

  std::string environment_id_;
  v1::Session session_;
};

TEST_F(SessionApiTest, ASessionLivesFromCreateToDelete) {
  EXPECT_EQ(session_.node_id(), node_id_);
  EXPECT_TRUE(session_.node_reachable());
  EXPECT_EQ(session_.generation(), 1);
  EXPECT_EQ(node_.running(), 1);

  v1::UpdateSessionRequest update;
  update.set_session_id(session_.id());
  update.set_title("t");
  v1::Session updated;
  ASSERT_TRUE(client_.sessions().UpdateSession(client_.Context().get(), update, &updated).ok());
  EXPECT_EQ(updated.title(), "t");

  v1::ListSessionsRequest list;
  list.set_environment_id(environment_id_);
  list.add_states(v1::SESSION_STATE_RUNNING);
  v1::ListSessionsResponse page;
  ASSERT_TRUE(client_.sessions().ListSessions(client_.Context().get(), list, &page).ok());
  ASSERT_EQ(page.sessions_size(), 1);
  EXPECT_EQ(page.sessions(0).id(), session_.id());
  EXPECT_TRUE(absl::IsFailedPrecondition(client_.DeleteEnvironment(environment_id_)));

  ASSERT_TRUE(client_.DeleteSession(session_.id()).ok());
  EXPECT_TRUE(absl::IsNotFound(client_.GetSession(session_.id()).status()));
  EXPECT_TRUE(client_.DeleteEnvironment(environment_id_).ok());
  EXPECT_TRUE(Eventually([&] { return node_.running() == 0; }));
}

TEST_F(SessionApiTest, ACreateIsRepeatableByRequestId) {
  v1::CreateSessionRequest request;
  request.set_environment_id(environment_id_);
  request.set_request_id("again");
  const auto first = client_.CreateSession(request);
  request.mutable_wait()->set_seconds(60);  // More patience, the same session.
  const auto second = client_.CreateSession(request);
  ASSERT_TRUE(first.ok() && second.ok()) << first.status() << second.status();
  EXPECT_EQ(first->id(), second->id());
  EXPECT_EQ(node_.running(), 2);
  v1::CreateSessionRequest other = request;
  other.set_title("other");
  v1::Session none;
  const absl::Status reused =
      FromGrpcStatus(client_.sessions().CreateSession(client_.Context().get(), other, &none));
  EXPECT_TRUE(absl::IsAlreadyExists(reused)) << reused;
  ASSERT_EQ(ViolationsOf(reused).size(), 1u);
  EXPECT_EQ(ViolationsOf(reused)[0].field, "request_id");

  ASSERT_TRUE(client_.DeleteSession(first->id()).ok());
  const auto third = client_.CreateSession(request);
  ASSERT_TRUE(third.ok()) << third.status();
  EXPECT_EQ(third->id(), first->id());
  EXPECT_EQ(third->state(), v1::SESSION_STATE_TERMINATED) << "never one that is gone as RUNNING";
  EXPECT_THAT(third->state_reason(), HasSubstr("DELETED"));
}

TEST_F(SessionApiTest, AnEnvironmentInUseIsRefusedOnceItIsArchivedOrDeleted) {
  v1::ArchiveEnvironmentRequest archive;
  archive.set_environment_id(environment_id_);
  v1::Environment archived;
  ASSERT_TRUE(
      client_.environments().ArchiveEnvironment(client_.Context().get(), archive, &archived).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(client_.CreateSession(environment_id_).status()));
  ASSERT_TRUE(client_.DeleteSession(session_.id()).ok());
  ASSERT_TRUE(client_.DeleteEnvironment(environment_id_).ok());
  EXPECT_TRUE(absl::IsNotFound(client_.CreateSession(environment_id_).status()));
  EXPECT_TRUE(Eventually([&] { return node_.running() == 0; }));
}

TEST_F(SessionApiTest, AWatchEndsWithTheFinalState) {
  v1::WatchSessionRequest request;
  request.set_session_id(session_.id());
  const auto context = client_.Context();
  const auto stream = client_.sessions().WatchSession(context.get(), request);
  v1::Session seen;
  ASSERT_TRUE(stream->Read(&seen));
  EXPECT_EQ(seen.state(), v1::SESSION_STATE_RUNNING);
  v1::ArchiveSessionRequest archive;
  archive.set_session_id(session_.id());
  v1::Session archived;
  ASSERT_TRUE(client_.sessions().ArchiveSession(client_.Context().get(), archive, &archived).ok());
  EXPECT_EQ(archived.state(), v1::SESSION_STATE_TERMINATED) << archived.ShortDebugString();
  int64_t revision = seen.revision();
  while (stream->Read(&seen)) {
    EXPECT_GT(seen.revision(), revision);
    revision = seen.revision();
  }
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(seen.state(), v1::SESSION_STATE_TERMINATED);
}

TEST_F(SessionApiTest, AWatchFromTheFutureIsOutOfRange) {
  v1::WatchSessionRequest request;
  request.set_session_id(session_.id());
  request.set_after_revision(1'000'000);
  const auto context = client_.Context();
  const auto stream = client_.sessions().WatchSession(context.get(), request);
  v1::Session seen;
  EXPECT_FALSE(stream->Read(&seen));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::OUT_OF_RANGE);
}

TEST_F(SessionApiTest, AWatchFromANegativeRevisionIsRefusedByName) {
  v1::WatchSessionRequest request;
  request.set_session_id(session_.id());
  request.set_after_revision(-1);
  v1::Session seen;
  const auto context = client_.Context();
  const auto stream = client_.sessions().WatchSession(context.get(), request);
  EXPECT_FALSE(stream->Read(&seen));
  const grpc::Status status = stream->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message(), "after_revision: must not be negative");

  v1::WatchEnvironmentRequest of_environment;
  of_environment.set_environment_id(session_.environment_id());
  of_environment.set_after_revision(-1);
  v1::WatchEnvironmentResponse event;
  const auto second_context = client_.Context();
  const auto second = client_.environments().WatchEnvironment(second_context.get(), of_environment);
  EXPECT_FALSE(second->Read(&event));
  EXPECT_EQ(second->Finish().error_message(), "after_revision: must not be negative");
}

TEST_F(SessionApiTest, ExecCarriesInputOutputAndResult) {
  const std::string input(3'000'000, 'i');
  const auto echoed = client_.Exec(session_.id(), {"cat"}, input);
  ASSERT_TRUE(echoed.ok()) << echoed.status();
  EXPECT_EQ(echoed->out, input);
  EXPECT_EQ(echoed->code, 0);
  const auto failed = client_.Exec(session_.id(), {"exit", "7"});
  ASSERT_TRUE(failed.ok()) << failed.status();
  EXPECT_EQ(failed->code, 7);
}

TEST_F(SessionApiTest, ExecErrorsAreToldApart) {
  EXPECT_TRUE(absl::IsNotFound(client_.Exec("sesn_x", {"cat"}).status()));
  EXPECT_TRUE(absl::IsNotFound(client_.Exec(session_.id(), {"fail"}).status()));
  PaddockClient other = replica_.Client("other");
  EXPECT_TRUE(absl::IsNotFound(other.Exec(session_.id(), {"cat"}).status()));
  v1::ArchiveSessionRequest archive;
  archive.set_session_id(session_.id());
  v1::Session archived;
  ASSERT_TRUE(client_.sessions().ArchiveSession(client_.Context().get(), archive, &archived).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(client_.Exec(session_.id(), {"cat"}).status()));
}

TEST_F(SessionApiTest, ExecMustBeginWithStart) {
  const auto context = client_.Context();
  const auto stream = client_.sessions().Exec(context.get());
  v1::ExecRequest request;
  request.set_stdin("x");
  stream->Write(request);
  v1::ExecResponse response;
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(SessionApiTest, NoMessageOfAStreamMayBeLargerThanARequest) {
  const std::string large(5 << 20, 'x');
  for (const bool first : {true, false}) {
    const auto context = client_.Context();
    const auto stream = client_.sessions().Exec(context.get());
    v1::ExecRequest request;
    request.mutable_start()->set_session_id(session_.id());
    request.mutable_start()->add_command(first ? large : "hang");
    stream->Write(request);
    if (!first) {
      v1::ExecResponse started;
      ASSERT_TRUE(stream->Read(&started));
      request.set_stdin(large);
      stream->Write(request);
    }
    v1::ExecResponse response;
    while (stream->Read(&response)) {
    }
    EXPECT_EQ(ErrorReason(stream->Finish()), "MESSAGE_TOO_LARGE") << first;
  }
  EXPECT_TRUE(Eventually([&] { return node_.hanging() == 0; }));

  const auto context = client_.Context();
  v1::WriteFileResponse response;
  const auto writer = client_.sessions().WriteFile(context.get(), &response);
  v1::WriteFileRequest request;
  request.mutable_start()->set_session_id(session_.id());
  request.mutable_start()->set_path("/workspace/large");
  writer->Write(request);
  request.set_data(large);
  writer->Write(request);
  writer->WritesDone();
  EXPECT_EQ(ErrorReason(writer->Finish()), "MESSAGE_TOO_LARGE");
  EXPECT_EQ(node_.files().count("/workspace/large"), 0u);
}

TEST_F(SessionApiTest, ACancelledExecIsCancelledOnTheNode) {
  const auto context = client_.Context();
  const auto stream = client_.sessions().Exec(context.get());
  v1::ExecRequest request;
  request.mutable_start()->set_session_id(session_.id());
  request.mutable_start()->add_command("hang");
  ASSERT_TRUE(stream->Write(request));
  v1::ExecResponse response;
  ASSERT_TRUE(stream->Read(&response));
  ASSERT_TRUE(Eventually([&] { return node_.hanging() == 1; }));
  context->TryCancel();
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(Eventually([&] { return node_.hanging() == 0; }));
}

TEST_F(SessionApiTest, AClientThatDoesntReadHoldsTheCommandBack) {
  const auto context = client_.Context();
  const auto stream = client_.sessions().Exec(context.get());
  v1::ExecRequest request;
  request.mutable_start()->set_session_id(session_.id());
  request.mutable_start()->add_command("flood");
  ASSERT_TRUE(stream->Write(request));
  // Until the windows are full: no progress for a while.
  int64_t before = -1;
  ASSERT_TRUE(Eventually([&] {
    const int64_t now = node_.flooded();
    const bool still = now > 0 && now == before;
    before = now;
    absl::SleepFor(absl::Milliseconds(200));
    return still;
  }));
  EXPECT_LT(node_.flooded(), 64 << 20);
  const int64_t stalled_at = node_.flooded();
  v1::ExecResponse response;
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(stream->Read(&response));
  EXPECT_TRUE(Eventually([&] { return node_.flooded() > stalled_at; }));
  context->TryCancel();
  while (stream->Read(&response)) {
  }
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(SessionApiTest, AnUnreachableNodeIsUnavailableAtOnceWithTheReason) {
  ASSERT_TRUE(client_.Exec(session_.id(), {"cat"}).ok());
  node_.Stop();
  const absl::Time begin = absl::Now();
  const auto context = client_.Context();
  const auto stream = client_.sessions().Exec(context.get());
  v1::ExecRequest request;
  request.mutable_start()->set_session_id(session_.id());
  request.mutable_start()->add_command("cat");
  stream->Write(request);
  v1::ExecResponse response;
  EXPECT_FALSE(stream->Read(&response));
  const grpc::Status status = stream->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ErrorReason(status), "NODE_UNREACHABLE");
  EXPECT_THAT(status.error_message(), HasSubstr(node_id_));
  EXPECT_LT(absl::Now() - begin, absl::Seconds(5));
}

TEST_F(SessionApiTest, FilesGoInAndOut) {
  const std::string data(1'234'567, 'd');
  int64_t size = 0;
  const grpc::Status written = WriteFile("/workspace/f", data, &size);
  ASSERT_TRUE(written.ok()) << written.error_message();
  EXPECT_EQ(size, static_cast<int64_t>(data.size()));
  EXPECT_EQ(node_.files()["/workspace/f"], data);

  v1::ReadFileRequest read;
  read.set_session_id(session_.id());
  read.set_path("/workspace/f");
  const auto context = client_.Context();
  const auto reader = client_.sessions().ReadFile(context.get(), read);
  std::string got;
  v1::ReadFileResponse chunk;
  while (reader->Read(&chunk)) got += chunk.data();
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(got, data);

  v1::ListDirectoryRequest list;
  list.set_session_id(session_.id());
  v1::ListDirectoryResponse entries;
  ASSERT_TRUE(client_.sessions().ListDirectory(client_.Context().get(), list, &entries).ok());
  ASSERT_EQ(entries.entries_size(), 1);
  EXPECT_EQ(entries.entries(0).name(), "/workspace/f");
}

TEST_F(SessionApiTest, AMissingFileIsNotFound) {
  v1::ReadFileRequest read;
  read.set_session_id(session_.id());
  read.set_path("/none");
  const auto context = client_.Context();
  const auto reader = client_.sessions().ReadFile(context.get(), read);
  v1::ReadFileResponse chunk;
  EXPECT_FALSE(reader->Read(&chunk));
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(SessionApiTest, ACancelledWriteLeavesNoFile) {
  for (int i = 0; i < 100; ++i) {
    const auto context = client_.Context();
    v1::WriteFileResponse response;
    const auto writer = client_.sessions().WriteFile(context.get(), &response);
    v1::WriteFileRequest request;
    request.mutable_start()->set_session_id(session_.id());
    request.mutable_start()->set_path(absl::StrCat("/cancelled/", i));
    ASSERT_TRUE(writer->Write(request));
    request.set_data("part");
    ASSERT_TRUE(writer->Write(request));
    context->TryCancel();
    EXPECT_EQ(writer->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  // What came before is over once a later one is done.
  int64_t size = 0;
  ASSERT_TRUE(WriteFile("/whole", "data", &size).ok());
  EXPECT_EQ(node_.files().size(), 1u);
}

TEST_F(SessionApiTest, ANodeSpeaksForItselfOnly) {
  const std::string other = NewId(kNodePrefix, absl::Now());
  const grpc::Status status = node_.Register(replica_.internal_port(), other);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
}

TEST_F(SessionApiTest, ACordonedNodeTakesNoSessions) {
  v1::CordonNodeRequest cordon;
  cordon.set_node_id(node_id_);
  v1::Node node;
  ASSERT_TRUE(client_.admin().CordonNode(client_.Context().get(), cordon, &node).ok());
  EXPECT_TRUE(node.cordoned());
  v1::CreateSessionRequest create;
  create.set_environment_id(environment_id_);
  create.mutable_wait()->set_nanos(1'000'000);
  const auto waiting = client_.CreateSession(create);
  ASSERT_TRUE(waiting.ok()) << waiting.status();
  EXPECT_EQ(waiting->state(), v1::SESSION_STATE_PENDING);
  EXPECT_NE(waiting->state_reason(), "");
  v1::UncordonNodeRequest uncordon;
  uncordon.set_node_id(node_id_);
  ASSERT_TRUE(client_.admin().UncordonNode(client_.Context().get(), uncordon, &node).ok());
  EXPECT_TRUE(Eventually([&] {
    const grpc::Status beat = node_.Heartbeat(replica_.internal_port());
    const auto now = client_.GetSession(waiting->id());
    return beat.ok() && now.ok() && now->state() == v1::SESSION_STATE_RUNNING;
  }));
}

TEST_F(SessionApiTest, DrainEndsWhenTheNodeIsEmpty) {
  v1::DrainNodeRequest request;
  request.set_node_id(node_id_);
  const auto context = client_.Context();
  const auto stream = client_.admin().DrainNode(context.get(), request);
  v1::DrainNodeResponse progress;
  ASSERT_TRUE(stream->Read(&progress));
  EXPECT_EQ(progress.remaining(), 1);
  EXPECT_THAT(progress.remaining_session_ids(), ::testing::ElementsAre(session_.id()));
  ASSERT_TRUE(client_.DeleteSession(session_.id()).ok());
  while (stream->Read(&progress)) {
    ASSERT_TRUE(node_.Heartbeat(replica_.internal_port()).ok());
  }
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(progress.remaining(), 0);
}

TEST_F(SessionApiTest, DrainingTheServerEndsWatchesAndWaits) {
  v1::WatchSessionRequest watch;
  watch.set_session_id(session_.id());
  const auto context = client_.Context();
  const auto stream = client_.sessions().WatchSession(context.get(), watch);
  v1::Session seen;
  ASSERT_TRUE(stream->Read(&seen));
  // A create that would wait for minutes.
  v1::CordonNodeRequest cordon;
  cordon.set_node_id(node_id_);
  v1::Node node;
  ASSERT_TRUE(client_.admin().CordonNode(client_.Context().get(), cordon, &node).ok());
  absl::Status create_status;
  std::thread create([&] {
    v1::CreateSessionRequest request;
    request.set_environment_id(environment_id_);
    request.mutable_wait()->set_seconds(300);
    create_status = client_.CreateSession(request).status();
  });
  v1::ListSessionsRequest list;
  v1::ListSessionsResponse page;
  EXPECT_TRUE(Eventually([&] {
    return client_.sessions().ListSessions(client_.Context().get(), list, &page).ok() &&
           page.sessions_size() == 2;
  }));
  const absl::Time begin = absl::Now();
  replica_.public_server().Drain(absl::Milliseconds(100));
  EXPECT_LT(absl::Now() - begin, absl::Seconds(10));
  EXPECT_FALSE(stream->Read(&seen));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  create.join();
  EXPECT_FALSE(create_status.ok());
}

}  // namespace
}  // namespace paddock
