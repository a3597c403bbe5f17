#include "tests/packages/test_agent.h"

#include <fcntl.h>
#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/clock.h"
#include "common/grpc_status.h"
#include "common/ids.h"
#include "nodeagent/system/file.h"
#include "nodeagent/system/spawn.h"
#include "nodeagent/system/subprocess.h"
#include "tests/packages/test_slot.h"

namespace paddock::testing {
namespace {

namespace pb = internal::v1;

constexpr int64_t kVolumesBytes = int64_t{3} << 30;
// Apart from those of quickstarts, whose slots count from 0.
constexpr char kInstance[] = "pkgtest";
constexpr int kFirstSubnet = 238;  // 10.238.0.0/16.
constexpr uint32_t kFirstUid = 0xc0000000;
constexpr uint32_t kUids = 0x2000000;  // For more sessions than --max_sessions.
constexpr absl::Duration kStartTimeout = absl::Seconds(60);

std::string TestImage() {
  const char* const image = getenv("PADDOCK_TEST_IMAGE");
  return image == nullptr ? "" : image;
}

}  // namespace

int FreePort() {
  const nodeagent::UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) != 0) return 0;
  getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

std::string BuildResult::Text() const {
  std::string text = absl::StrCat(status.ToString(), " ", failure.ShortDebugString(), "\n");
  for (size_t i = log.size() > 40 ? log.size() - 40 : 0; i < log.size(); ++i) {
    absl::StrAppend(&text, "| ", log[i], "\n");
  }
  return text;
}

TestAgent::TestAgent(int number, std::vector<std::string> flags, TestCertificates* certificates)
    : number_(number),
      flags_(std::move(flags)),
      own_certificates_(certificates == nullptr ? std::make_unique<TestCertificates>() : nullptr),
      certificates_(certificates == nullptr ? own_certificates_.get() : certificates),
      place_(TestSlot() * kAgentsOfSlot + number),
      cgroup_(absl::StrCat("paddock/", kInstance, place_)),
      instance_(absl::StrCat(kInstance, place_)) {
  EXPECT_LT(number, kAgentsOfSlot);
  char name[] = "/var/tmp/paddock-packages-XXXXXX";
  directory_ = mkdtemp(name);
  chmod(directory_.c_str(), 0711);
  volumes_ = directory_ + "/volumes";
}

TestAgent::~TestAgent() {
  if (pid_ > 0) {
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
  }
  nodeagent::SubprocessOptions options;
  options.timeout = absl::Minutes(2);
  const auto cleaned = nodeagent::RunChecked({Arguments("cleanup")}, options);
  EXPECT_TRUE(cleaned.ok()) << cleaned.status();
  if (::testing::Test::HasFailure()) {
    std::string log = Log();
    if (log.size() > 8000) log.erase(0, log.size() - 8000);
    fprintf(stderr, "the agent's log:\n%s\n", log.c_str());
  }
  const absl::Status removed = nodeagent::RemoveTree(directory_);
  EXPECT_TRUE(removed.ok()) << removed;
}

std::string TestAgent::Log() const {
  return nodeagent::ReadFile(directory_ + "/agent.log").value_or("");
}

std::vector<std::string> TestAgent::Arguments(const std::string& command) const {
  std::vector<std::string> arguments = {
      PADDOCK_NODEAGENT_BINARY,
      command,
      absl::StrCat("--state_dir=", directory_, "/state"),
      absl::StrCat("--volumes_dir=", volumes_),
      absl::StrCat("--volumes_file=", directory_, "/volumes.btrfs"),
      absl::StrCat("--volumes_bytes=", kVolumesBytes),
      absl::StrCat("--listen=127.0.0.1:", port_),
      "--metrics_listen=127.0.0.1:0",
      "--control_plane=127.0.0.1:9",
      absl::StrCat("--ca=", certificates_->ca_file()),
      absl::StrCat("--cert=", certificates_->directory(), "/node-", number_, ".crt"),
      absl::StrCat("--key=", certificates_->directory(), "/node-", number_, ".key"),
      absl::StrCat("--base_image=", TestImage()),
      absl::StrCat("--instance=", instance_),
      absl::StrCat("--subnet=10.", kFirstSubnet + place_, ".0.0/16"),
      absl::StrCat("--uid_base=", kFirstUid + static_cast<uint32_t>(place_) * kUids),
      "--max_sessions=64",
      absl::StrCat("--cgroup=", cgroup_),
      "--ready_pairs=2",
      absl::StrCat("--init=", PADDOCK_INIT_BINARY)};
  arguments.insert(arguments.end(), flags_.begin(), flags_.end());
  return arguments;
}

absl::StatusOr<std::string> TestAgent::Import(const std::string& archive) const {
  nodeagent::SpawnSpec spec;
  spec.argv = Arguments("import-base");
  spec.argv.push_back(archive);
  nodeagent::SubprocessOptions options;
  options.timeout = absl::Minutes(5);
  absl::StatusOr<std::string> digest = nodeagent::RunChecked(spec, options);
  if (digest.ok()) absl::StripAsciiWhitespace(&*digest);
  return digest;
}

std::string TestAgent::AddBaseImage(const std::map<std::string, std::string>& files) {
  const std::string tree = directory_ + "/tree";
  const std::string archive = directory_ + "/extended.tar";
  for (const auto& [path, content] : files) {
    const std::string file = tree + path;
    EXPECT_TRUE(nodeagent::MakeDirectories(file.substr(0, file.rfind('/'))).ok());
    EXPECT_TRUE(nodeagent::WriteFile(file, content, 0644).ok());
  }
  nodeagent::SpawnSpec copy;
  copy.argv = {"cp", TestImage(), archive};
  nodeagent::SpawnSpec append;
  append.argv = {"tar",    "--append", "--owner=0",   "--group=0",
                 "--file", archive,    "--directory", tree};
  // Not their directories, which may be there with other modes.
  for (const auto& [path, content] : files) append.argv.push_back("." + path);
  nodeagent::SubprocessOptions options;
  options.timeout = absl::Minutes(1);
  for (const nodeagent::SpawnSpec& spec : {copy, append}) {
    const auto done = nodeagent::RunChecked(spec, options);
    EXPECT_TRUE(done.ok()) << done.status();
  }
  const absl::StatusOr<std::string> digest = Import(archive);
  EXPECT_TRUE(digest.ok()) << digest.status();
  return digest.value_or("");
}

std::string TestAgent::Start() {
  if (TestImage().empty()) return "PADDOCK_TEST_IMAGE names no base image";
  port_ = FreePort();
  const auto id = nodeagent::RunChecked(
      {{PADDOCK_NODEAGENT_BINARY, "node-id", absl::StrCat("--state_dir=", directory_, "/state")}});
  if (!id.ok()) return id.status().ToString();
  node_id_ = std::string(absl::StripAsciiWhitespace(*id));
  const TlsFiles files = certificates_->Issue(absl::StrCat("node-", number_), {NodeRole(node_id_)});
  const TlsFiles own = certificates_->Issue(absl::StrCat("caller-", number_), {kControlPlaneRole});
  const absl::StatusOr<std::string> imported = Import(TestImage());
  if (!imported.ok()) return imported.status().ToString();
  base_image_ = *imported;
  const nodeagent::UniqueFd log(
      open((directory_ + "/agent.log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  nodeagent::SpawnSpec spec;
  spec.argv = Arguments("serve");
  spec.fds = {{log.get(), 1}, {log.get(), 2}};
  const auto child = nodeagent::Spawn(spec);
  if (!child.ok()) return child.status().ToString();
  pid_ = child->pid;
  const auto identity = TlsIdentity::Load(own);
  if (!identity.ok()) return identity.status().ToString();
  const auto channel = grpc::CreateChannel(absl::StrCat("127.0.0.1:", port_),
                                           (*identity)->MutualChannel(NodeRole(node_id_)));
  if (!channel->WaitForConnected(std::chrono::system_clock::now() +
                                 absl::ToChronoSeconds(kStartTimeout))) {
    return "the agent doesn't answer";
  }
  stub_ = pb::NodeAgent::NewStub(channel);
  return "";
}

void TestAgent::Kill() {
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

pb::BuildLayerRequest TestAgent::Request(const std::string& manager,
                                         std::vector<std::string> specs) const {
  pb::BuildLayerRequest request;
  request.set_build_id("test");
  request.set_cache_key(NewId("key_", Clock::Real()->Now()));
  request.set_base_image(base_image_);
  request.set_manager(manager);
  for (std::string& spec : specs) request.add_specs(std::move(spec));
  request.mutable_network()->mutable_unrestricted();
  request.mutable_timeout()->set_seconds(600);
  return request;
}

BuildResult TestAgent::Build(
    const pb::BuildLayerRequest& request,
    const std::function<void(grpc::ClientContext*, const std::string&)>& on_line) {
  BuildResult result;
  const absl::Duration begun = Clock::Real()->Monotonic();
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(15));
  const auto reader = stub_->BuildLayer(&context, request);
  pb::BuildLayerEvent event;
  while (reader->Read(&event)) {
    if (event.has_built()) result.built = event.built();
    if (event.has_failure()) result.failure = event.failure();
    if (event.event_case() != pb::BuildLayerEvent::kLogLine) continue;
    result.log.push_back(event.log_line());
    if (on_line != nullptr) on_line(&context, event.log_line());
  }
  result.status = FromGrpcStatus(reader->Finish());
  result.took = Clock::Real()->Monotonic() - begun;
  return result;
}

BuildResult TestAgent::Install(const std::string& manager, std::vector<std::string> specs,
                               const std::string& parent, bool toolchain) {
  pb::BuildLayerRequest request = Request(manager, std::move(specs));
  request.set_parent(parent);
  if (toolchain) {
    pb::BuildLayerRequest first = Request(manager, {});
    first.set_toolchain(true);
    first.set_parent(parent);
    BuildResult result = Build(first);
    if (!result.ok()) return result;
    printf("  %s itself: %s, %lld MiB\n", manager.c_str(),
           absl::FormatDuration(absl::Trunc(result.took, absl::Milliseconds(1))).c_str(),
           static_cast<long long>(result.built.size_bytes() >> 20));
    request.set_parent(result.built.digest());
  }
  BuildResult result = Build(request);
  printf("  %s %s: %s, %lld KiB\n", manager.c_str(),
         request.specs_size() > 0 ? request.specs(0).c_str() : "",
         absl::FormatDuration(absl::Trunc(result.took, absl::Milliseconds(1))).c_str(),
         static_cast<long long>(result.built.size_bytes() >> 10));
  return result;
}

std::string TestAgent::StartSession(const std::string& image) {
  pb::PutSessionRequest request;
  pb::SessionSpec& spec = *request.mutable_spec();
  spec.set_session_id(NewId(kSessionPrefix, Clock::Real()->Now()));
  spec.set_generation(1);
  spec.set_image_digest(image);
  spec.mutable_network()->mutable_unrestricted();
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
  pb::PutSessionResponse response;
  const grpc::Status status = stub_->PutSession(&context, request, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.status().phase(), pb::SESSION_PHASE_RUNNING)
      << response.status().ShortDebugString();
  return response.status().phase() == pb::SESSION_PHASE_RUNNING ? spec.session_id() : "";
}

absl::Status TestAgent::StopSession(const std::string& id) {
  pb::StopSessionRequest request;
  request.set_session_id(id);
  request.set_generation(1);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
  pb::StopSessionResponse response;
  return FromGrpcStatus(stub_->StopSession(&context, request, &response));
}

CommandOutput TestAgent::Run(const std::string& session, const std::vector<std::string>& command,
                             const std::string& user) {
  CommandOutput output;
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(120));
  const auto stream = stub_->Exec(&context);
  pb::NodeExecRequest request;
  request.set_generation(1);
  v1::ExecStart& start = *request.mutable_exec()->mutable_start();
  start.set_session_id(session);
  start.set_user(user);
  start.set_cwd("/");
  for (const std::string& argument : command) start.add_command(argument);
  stream->Write(request);
  stream->WritesDone();
  v1::ExecResponse response;
  while (stream->Read(&response)) {
    output.text += response.has_stdout() ? response.stdout() : "";
    output.text += response.has_stderr() ? response.stderr() : "";
    if (response.has_exited()) output.code = response.exited().code();
  }
  const grpc::Status status = stream->Finish();
  if (!status.ok()) output.text += status.error_message();
  return output;
}

std::vector<std::string> TestAgent::Leftovers() const {
  std::vector<std::string> left;
  const auto add = [&left](const std::string& directory, absl::string_view prefix,
                           const std::string& kind) {
    const auto names = nodeagent::ListDirectory(directory);
    for (const std::string& name : names.value_or(std::vector<std::string>())) {
      if (absl::StartsWith(name, prefix)) left.push_back(absl::StrCat(kind, ":", name));
    }
  };
  add(volumes_ + "/sessions", "build_", "volume");
  add(volumes_ + "/layers", ".import-", "layer");
  add(volumes_ + "/layers", ".trash-", "layer");
  add(directory_ + "/state/sessions", "build_", "state");
  for (const char* tree : {"/sys/fs/cgroup", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/pids",
                           "/sys/fs/cgroup/unified"}) {
    add(absl::StrCat(tree, "/", cgroup_), "build_", "cgroup");
  }
  return left;
}

std::vector<std::string> TestAgent::Layers() const {
  std::vector<std::string> layers;
  for (const std::string& name :
       nodeagent::ListDirectory(volumes_ + "/layers").value_or(std::vector<std::string>())) {
    if (absl::StartsWith(name, "sha256:")) layers.push_back(name);
  }
  return layers;
}

}  // namespace paddock::testing
