// What a sandbox may use up, through the public port of a running system: its bounds are told as
// what they are, and what one takes is not its neighbour's.

#include <gmock/gmock.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "tests/e2e/e2e_environment.h"

namespace paddock::testing {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

// A command that goes on until this ends, in a session of its own.
class Greed {
 public:
  // `full` fires when the command says so.
  Greed(PaddockClient* client, const std::string& session_id, const std::string& script)
      : script_(script),
        context_(client->Context(absl::Seconds(120))),
        thread_([this, client, session_id] { Run(client, session_id); }) {}
  ~Greed() {
    context_->TryCancel();
    thread_.join();
  }
  const std::string& script() const { return script_; }
  absl::Notification full;

 private:
  void Run(PaddockClient* client, const std::string& session_id) {
    auto stream = client->sessions().Exec(context_.get());
    v1::ExecRequest request;
    request.mutable_start()->set_session_id(session_id);
    for (const std::string& word : {std::string("sh"), std::string("-c"), script_}) {
      request.mutable_start()->add_command(word);
    }
    stream->Write(request);
    v1::ExecResponse response;
    while (stream->Read(&response)) {
      if (!full.HasBeenNotified() && absl::StrContains(response.stdout(), "full")) full.Notify();
    }
    stream->Finish();
  }

  const std::string script_;
  const std::unique_ptr<grpc::ClientContext> context_;
  std::thread thread_;  // Last: it uses the rest.
};

class BoundsE2eTest : public E2eTest {
 protected:
  v1::Session Bounded(int64_t memory_bytes, int64_t disk_bytes, int64_t pids) {
    v1::CreateSessionRequest request;
    auto* limits = request.mutable_compute()->mutable_limits();
    limits->set_memory_bytes(memory_bytes);
    limits->set_disk_bytes(disk_bytes);
    limits->set_pids(pids);
    return NewSession(request);
  }
  v1::Session Bounded() { return Bounded(256 << 20, 64 << 20, 128); }

  // The reason of the session, as soon as it holds `reason`; how long that took is printed.
  std::string AwaitReason(const std::string& session_id, const std::string& reason) {
    const absl::Time begun = absl::Now();
    const auto context = client().Context(absl::Seconds(20));
    v1::WatchSessionRequest request;
    request.set_session_id(session_id);
    const auto stream = client().sessions().WatchSession(context.get(), request);
    v1::Session session;
    while (stream->Read(&session) && !absl::StrContains(session.state_reason(), reason)) {
    }
    context->TryCancel();
    stream->Finish();
    std::printf("%s was told %s after the command's end\n", reason.c_str(),
                absl::FormatDuration(absl::Now() - begun).c_str());
    return session.state_reason();
  }

  // How long the session takes for a small command: the median of some.
  absl::Duration Latency(const v1::Session& session) {
    std::vector<absl::Duration> samples;
    for (int i = 0; i < 21; ++i) {
      const absl::Time begun = absl::Now();
      EXPECT_EQ(Shell(session, "true").code, 0);
      samples.push_back(absl::Now() - begun);
    }
    std::sort(samples.begin(), samples.end());
    return samples[samples.size() / 2];
  }
};

TEST_F(BoundsE2eTest, OutOfMemoryIsSaidToBeThat) {
  const v1::Session session = Bounded(64 << 20, 64 << 20, 128);
  const absl::StatusOr<ExecResult> result =
      client().Exec(session.id(), {"python3", "-c", "x = b'1' * (256 << 20)"});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->signal, 9);
  EXPECT_THAT(AwaitReason(session.id(), "OOM_KILLED"), HasSubstr("67108864 bytes"));
  EXPECT_EQ(Shell(session, "echo alive").out, "alive\n");
}

TEST_F(BoundsE2eTest, AFullDiskIsSaidToBeThat) {
  const v1::Session session = Bounded(256 << 20, 32 << 20, 128);
  const ExecResult result =
      Shell(session, "dd if=/dev/urandom of=/fill bs=1M count=200 conv=fsync 2>&1");
  EXPECT_NE(result.code, 0);
  EXPECT_THAT(result.out, AnyOf(HasSubstr("No space left"), HasSubstr("quota exceeded")));
  EXPECT_THAT(AwaitReason(session.id(), "DISK_FULL"), HasSubstr("33554432 bytes"));
  EXPECT_EQ(Shell(session, "rm -f /fill; echo rest").out, "rest\n");
}

TEST_F(BoundsE2eTest, AFullDiskIsToldUntilThereIsRoomAndHidesNoKill) {
  const v1::Session session = Bounded(64 << 20, 32 << 20, 128);
  const auto reason_is = [&](const std::string& prefix, absl::Duration limit) {
    const absl::Time deadline = absl::Now() + limit;
    std::string reason;
    do {
      absl::SleepFor(absl::Milliseconds(200));
      reason = client().GetSession(session.id())->state_reason();
    } while (reason.substr(0, prefix.size() + 1) != prefix + ":" && reason != prefix &&
             absl::Now() < deadline);
    return reason;
  };
  const char* fill = "dd if=/dev/urandom of=/fill bs=1M count=200 conv=fsync 2>/dev/null";
  Shell(session, fill);
  EXPECT_THAT(reason_is("DISK_FULL", absl::Seconds(20)), HasSubstr("DISK_FULL"));
  Shell(session, "rm -f /fill; sync");
  // Space of what was deleted is counted for up to half a minute.
  EXPECT_EQ(reason_is("", absl::Seconds(90)), "");
  Shell(session, fill);
  EXPECT_THAT(reason_is("DISK_FULL", absl::Seconds(20)), HasSubstr("DISK_FULL"));
  EXPECT_EQ(client().Exec(session.id(), {"python3", "-c", "x = b'1' * (256 << 20)"})->signal, 9);
  EXPECT_THAT(reason_is("OOM_KILLED", absl::Seconds(20)), HasSubstr("OOM_KILLED"));
}

TEST_F(BoundsE2eTest, TooManyProcessesAreSaidToBeThat) {
  const v1::Session session = Bounded(256 << 20, 64 << 20, 32);
  const ExecResult result = Shell(
      session, "python3 -c 'import os,time\nfor i in range(100):\n  os.fork() or time.sleep(1)'");
  EXPECT_NE(result.code, 0);
  EXPECT_THAT(AwaitReason(session.id(), "PIDS_EXHAUSTED"), HasSubstr("32 processes"));
}

TEST_F(BoundsE2eTest, RemovingEverythingHarmsOnlyItself) {
  const v1::Session session = NewSession();
  const v1::Session neighbour = NewSession();
  Shell(session, "rm -rf --no-preserve-root / 2>/dev/null; true");
  EXPECT_EQ(Shell(neighbour, "echo fine").out, "fine\n");
  // Its own commands are gone, and that is what it hears.
  const ExecResult gone = Shell(session, "true");
  EXPECT_EQ(gone.code, 127);
  EXPECT_THAT(gone.err, HasSubstr("sh: command not found"));
  EXPECT_TRUE(client().DeleteSession(session.id()).ok());
  EXPECT_EQ(Shell(NewSession(), "echo new").out, "new\n");
}

// Of the slots of asynchronous I/O the machine has 65,536 for all, and none is a sandbox's to take:
// the very first io_setup is refused by the system call filter.
TEST_F(BoundsE2eTest, NoSlotOfAsynchronousIoIsASandboxsToTake) {
  const ExecResult result = Shell(
      NewSession(),
      "python3 -c 'import ctypes,errno\nl=ctypes.CDLL(None,use_errno=True)\nc=ctypes.c_ulong(0)\n"
      "r=l.syscall(206, 1, ctypes.byref(c))\nprint(r, errno.errorcode.get(ctypes.get_errno()))'");
  EXPECT_EQ(result.out, "-1 EPERM\n") << result.err;
}

// Each says `full` once it has met its bound, and holds or goes on with what it took. Connections
// that are tracked have a test of their own (privileged/gateway_test): they need an outside.

// Goes on when it is refused.
constexpr char kForkBomb[] =
    "python3 -c 'import os,time\nwhile True:\n  try:\n    if os.fork() == 0: time.sleep(100); "
    "os._exit(0)\n  except OSError: print(\"full\", flush=True)'";
constexpr char kInotifyInstances[] =
    "python3 -c 'import ctypes,time\nl=ctypes.CDLL(None)\nwhile l.inotify_init() >= 0: pass\n"
    "print(\"full\", flush=True)\ntime.sleep(100)'";
constexpr char kTerminals[] =
    "python3 -c 'import os,time\nk=[]\ntry:\n  while True: k.append(os.openpty())\nexcept OSError: "
    "print(\"full\", flush=True)\ntime.sleep(100)'";
constexpr char kDisk[] =
    "while :; do head -c 2000000000 /dev/zero >/workspace/fill 2>/dev/null || echo full; done";
constexpr char kMemory[] =
    "while :; do python3 -c 'x=[]\nwhile True: x.append(b\"1\"*(1<<20))' || echo full; done";

TEST_F(BoundsE2eTest, GreedOfSomeLeavesTheNeighbourItsShareAndItsLatency) {
  const v1::Session neighbour = NewSession();
  const absl::Duration before = Latency(neighbour);
  std::vector<std::unique_ptr<Greed>> greeds;
  for (const char* script : {kForkBomb, kInotifyInstances, kTerminals, kDisk, kMemory}) {
    greeds.push_back(std::make_unique<Greed>(&client(), Bounded().id(), script));
  }
  for (const std::unique_ptr<Greed>& greed : greeds) {
    EXPECT_TRUE(greed->full.WaitForNotificationWithTimeout(absl::Seconds(60)))
        << "never met its bound: " << greed->script();
  }
  const absl::Duration during = Latency(neighbour);
  std::printf("a command beside them: %s instead of %s\n", absl::FormatDuration(during).c_str(),
              absl::FormatDuration(before).c_str());
  // They keep every processor busy; a queue behind all of their processes would last for seconds.
  EXPECT_LT(during, 10 * before + absl::Milliseconds(200));
  for (int i = 0; i < 5; ++i) {
    const ExecResult result =
        Shell(neighbour,
              "python3 -c 'import ctypes,os\nl=ctypes.CDLL(None)\nassert l.inotify_init() >= 0\n"
              "os.openpty()\nassert os.fork() >= 0\nb\"1\"*(64<<20)\n"
              "open(\"/workspace/f\",\"w\").write(\"x\"*1000000)' && echo good");
    EXPECT_THAT(result.out, HasSubstr("good")) << result.err;
  }
}

}  // namespace
}  // namespace paddock::testing
