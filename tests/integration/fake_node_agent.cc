#include "tests/integration/fake_node_agent.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/server_builder.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "common/errors.h"
#include "common/grpc_status.h"
#include "common/ids.h"

namespace paddock::testing {
namespace {

using internal::v1::NodeRegistry;

std::unique_ptr<grpc::ClientContext> ShortCall() {
  auto context = std::make_unique<grpc::ClientContext>();
  context->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  return context;
}

void SetRunning(const std::string& session_id, int64_t generation,
                internal::v1::SessionStatus* status) {
  status->set_session_id(session_id);
  status->set_generation(generation);
  status->set_phase(internal::v1::SESSION_PHASE_RUNNING);
}

// The keys that any fake node of this process builds.
class KeysUnderWork {
 public:
  void Begin(const std::string& key) {
    absl::MutexLock lock(&mutex_);
    twice_ = !keys_.insert(key).second || twice_;
  }
  void End(const std::string& key) {
    absl::MutexLock lock(&mutex_);
    keys_.erase(key);
  }
  bool twice() const {
    absl::MutexLock lock(&mutex_);
    return twice_;
  }

 private:
  mutable absl::Mutex mutex_;
  std::set<std::string> keys_ ABSL_GUARDED_BY(mutex_);
  bool twice_ ABSL_GUARDED_BY(mutex_) = false;
};

KeysUnderWork& KeysOfAllNodes() {
  static auto* const keys = new KeysUnderWork;
  return *keys;
}

bool Holds(const internal::v1::BuildLayerRequest& request, const char* spec) {
  return std::find(request.specs().begin(), request.specs().end(), spec) != request.specs().end();
}

}  // namespace

FakeNodeAgent::FakeNodeAgent(std::string node_id, const TlsFiles& files)
    : node_id_(std::move(node_id)),
      identity_(TlsIdentity::Load(files).value()),
      epoch_(NewId("epoch_", absl::Now())) {
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", identity_->MutualServer(), &port_);
  builder.RegisterService(this);
  server_ = builder.BuildAndStart();
  if (server_ == nullptr) abort();
}

FakeNodeAgent::~FakeNodeAgent() { Stop(); }

void FakeNodeAgent::Stop() {
  stopping_ = true;
  if (beating_.joinable()) beating_.join();
  if (server_ == nullptr) return;
  server_->Shutdown(std::chrono::system_clock::now());
  server_->Wait();
  server_ = nullptr;
}

std::unique_ptr<NodeRegistry::Stub> FakeNodeAgent::Registry(int port) const {
  return NodeRegistry::NewStub(grpc::CreateChannel(absl::StrCat("127.0.0.1:", port),
                                                   identity_->MutualChannel(kControlPlaneRole)));
}

grpc::Status FakeNodeAgent::Register(int registry_port, const std::string& node_id) {
  internal::v1::RegisterRequest request;
  request.set_node_id(node_id);
  request.set_name("fake");
  request.set_address(absl::StrCat("127.0.0.1:", port_));
  request.set_epoch(epoch_);
  request.set_boot_id("boot");
  request.mutable_capacity()->set_cpu_millis(64'000);
  request.mutable_capacity()->set_memory_bytes(int64_t{64} << 30);
  request.mutable_capacity()->set_disk_bytes(int64_t{1} << 40);
  request.mutable_capacity()->set_sessions(1000);
  request.add_runtime_classes("crun");
  request.set_base_image("sha256:base");
  request.add_images("sha256:base");
  (*request.mutable_details())["managers"] = "apt, pip";
  (*request.mutable_details())["platform"] = "linux/fake";
  internal::v1::HeartbeatResponse response;
  const grpc::Status status =
      Registry(registry_port)->Register(ShortCall().get(), request, &response);
  if (!status.ok()) return status;
  {
    absl::MutexLock lock(&mutex_);
    applied_ = response.revision();
  }
  return Heartbeat(registry_port);
}

grpc::Status FakeNodeAgent::Heartbeat(int registry_port) {
  internal::v1::HeartbeatRequest request;
  request.set_node_id(node_id_);
  request.set_epoch(epoch_);
  request.set_sequence(++sequence_);
  {
    absl::MutexLock lock(&mutex_);
    request.set_applied_revision(applied_);
    for (const auto& [id, generation] : sessions_) {
      SetRunning(id, generation, request.add_sessions());
    }
    request.add_images("sha256:base");
    for (const auto& [key, digest] : layers_) request.add_images(digest);
  }
  internal::v1::HeartbeatResponse response;
  const grpc::Status status =
      Registry(registry_port)->Heartbeat(ShortCall().get(), request, &response);
  absl::MutexLock lock(&mutex_);
  if (status.ok()) applied_ = response.revision();
  return status;
}

void FakeNodeAgent::KeepBeating(int registry_port) {
  registry_port_ = registry_port;
  if (beating_.joinable()) return;
  beating_ = std::thread([this] {
    while (!stopping_) {
      (void)Heartbeat(registry_port_);
      absl::SleepFor(absl::Milliseconds(200));
    }
  });
}

int FakeNodeAgent::running() const {
  absl::MutexLock lock(&mutex_);
  return static_cast<int>(sessions_.size());
}

std::map<std::string, std::string> FakeNodeAgent::files() const {
  absl::MutexLock lock(&mutex_);
  return files_;
}

grpc::Status FakeNodeAgent::CheckGeneration(const std::string& session_id,
                                            int64_t generation) const {
  absl::MutexLock lock(&mutex_);
  const auto found = sessions_.find(session_id);
  if (found != sessions_.end() && found->second == generation) return grpc::Status::OK;
  return ToGrpcStatus(errors::StaleGeneration(session_id, generation, generation + 1));
}

grpc::Status FakeNodeAgent::PutSession(grpc::ServerContext*,
                                       const internal::v1::PutSessionRequest* request,
                                       internal::v1::PutSessionResponse* response) {
  const internal::v1::SessionSpec& spec = request->spec();
  absl::MutexLock lock(&mutex_);
  applied_ = std::max(applied_, request->revision());
  if (checks_images_ && !HasImage(spec.image_digest())) {
    internal::v1::SessionStatus* status = response->mutable_status();
    SetRunning(spec.session_id(), spec.generation(), status);
    status->set_phase(internal::v1::SESSION_PHASE_TERMINATED);
    status->set_reason("IMAGE_MISSING");
    return grpc::Status::OK;
  }
  sessions_[spec.session_id()] = spec.generation();
  specs_[spec.session_id()] = spec;
  SetRunning(spec.session_id(), spec.generation(), response->mutable_status());
  return grpc::Status::OK;
}

grpc::Status FakeNodeAgent::StopSession(grpc::ServerContext*,
                                        const internal::v1::StopSessionRequest* request,
                                        internal::v1::StopSessionResponse* response) {
  absl::MutexLock lock(&mutex_);
  sessions_.erase(request->session_id());
  response->mutable_status()->set_session_id(request->session_id());
  response->mutable_status()->set_generation(request->generation());
  response->mutable_status()->set_phase(internal::v1::SESSION_PHASE_TERMINATED);
  return grpc::Status::OK;
}

grpc::Status FakeNodeAgent::Exec(
    grpc::ServerContext* context,
    grpc::ServerReaderWriter<v1::ExecResponse, internal::v1::NodeExecRequest>* stream) {
  internal::v1::NodeExecRequest request;
  if (!stream->Read(&request)) return grpc::Status::CANCELLED;
  const v1::ExecStart start = request.exec().start();
  if (grpc::Status ok = CheckGeneration(start.session_id(), request.generation()); !ok.ok()) {
    return ok;
  }
  const std::string& program = start.command(0);
  if (program == "fail") return ToGrpcStatus(errors::SessionNotFound(start.session_id()));
  v1::ExecResponse response;
  response.mutable_started()->set_pid(2);
  stream->Write(response);
  if (program == "flood") {
    response.set_stdout(std::string(64 * 1024, 'x'));
    while (stream->Write(response)) flooded_ += 64 * 1024;
    return grpc::Status::CANCELLED;
  }
  if (program == "hang") ++hanging_;
  while (stream->Read(&request)) {
    if (request.exec().has_close_stdin()) break;
    if (request.exec().has_stdin() && program == "cat") {
      response.set_stdout(request.exec().stdin());
      stream->Write(response);
    }
  }
  if (program == "hang") {
    while (!context->IsCancelled()) absl::SleepFor(absl::Milliseconds(1));
    --hanging_;
    return grpc::Status::CANCELLED;
  }
  response.mutable_exited()->set_code(program == "exit" ? std::stoi(start.command(1)) : 0);
  stream->Write(response);
  return grpc::Status::OK;
}

grpc::Status FakeNodeAgent::ReadFile(grpc::ServerContext*,
                                     const internal::v1::NodeReadFileRequest* request,
                                     grpc::ServerWriter<v1::ReadFileResponse>* writer) {
  const auto all = files();
  const auto found = all.find(request->read().path());
  if (found == all.end()) return ToGrpcStatus(errors::PathNotFound(request->read().path()));
  for (size_t at = 0; at < found->second.size(); at += 64 * 1024) {
    v1::ReadFileResponse response;
    response.set_data(found->second.substr(at, 64 * 1024));
    if (!writer->Write(response)) return grpc::Status::CANCELLED;
  }
  return grpc::Status::OK;
}

grpc::Status FakeNodeAgent::WriteFile(
    grpc::ServerContext* context, grpc::ServerReader<internal::v1::NodeWriteFileRequest>* reader,
    v1::WriteFileResponse* response) {
  internal::v1::NodeWriteFileRequest request;
  if (!reader->Read(&request)) return grpc::Status::CANCELLED;
  const v1::WriteFileStart start = request.write().start();
  if (grpc::Status ok = CheckGeneration(start.session_id(), request.generation()); !ok.ok()) {
    return ok;
  }
  std::string data;
  while (reader->Read(&request)) data += request.write().data();
  // As a real agent tells a half-close from a broken call.
  reader->SendInitialMetadata();
  if (context->IsCancelled()) return grpc::Status::CANCELLED;
  absl::MutexLock lock(&mutex_);
  response->set_size_bytes(static_cast<int64_t>(data.size()));
  files_[start.path()] = std::move(data);
  return grpc::Status::OK;
}

grpc::Status FakeNodeAgent::ListDirectory(grpc::ServerContext*,
                                          const internal::v1::NodeListDirectoryRequest* request,
                                          v1::ListDirectoryResponse* response) {
  const std::string& session_id = request->list().session_id();
  if (grpc::Status ok = CheckGeneration(session_id, request->generation()); !ok.ok()) return ok;
  for (const auto& [path, data] : files()) {
    v1::DirectoryEntry* entry = response->add_entries();
    entry->set_name(path);
    entry->set_size_bytes(static_cast<int64_t>(data.size()));
  }
  return grpc::Status::OK;
}

std::vector<std::string> FakeNodeAgent::builds() const {
  absl::MutexLock lock(&mutex_);
  return builds_;
}

bool FakeNodeAgent::EverBuiltTwiceAtOnce() { return KeysOfAllNodes().twice(); }

void FakeNodeAgent::Forget(const std::string& digest) {
  absl::MutexLock lock(&mutex_);
  for (auto it = layers_.begin(); it != layers_.end();) {
    it = it->second == digest ? layers_.erase(it) : std::next(it);
  }
}

void FakeNodeAgent::CheckImages(FakeLayerRegistry* registry) {
  absl::MutexLock lock(&mutex_);
  checks_images_ = true;
  layer_registry_ = registry;
}

bool FakeNodeAgent::HasImage(const std::string& digest) const {
  if (digest.empty() || (layer_registry_ != nullptr && layer_registry_->Has(digest))) return true;
  return std::any_of(layers_.begin(), layers_.end(),
                     [&](const auto& layer) { return layer.second == digest; });
}

grpc::Status FakeNodeAgent::BuildLayer(grpc::ServerContext* context,
                                       const internal::v1::BuildLayerRequest* request,
                                       grpc::ServerWriter<internal::v1::BuildLayerEvent>* writer) {
  internal::v1::BuildLayerEvent event;
  {
    absl::MutexLock lock(&mutex_);
    builds_.push_back(
        absl::StrCat(request->manager(), " ",
                     request->toolchain() ? "toolchain" : absl::StrJoin(request->specs(), ",")));
    const std::string& parent = request->parent();
    if (!HasImage(parent)) {
      event.mutable_failure()->set_reason("PARENT_MISSING");
    }
  }
  if (event.has_failure()) {
    writer->Write(event);
    return grpc::Status::OK;
  }
  KeysOfAllNodes().Begin(request->cache_key());
  for (const std::string& spec : request->specs()) {
    event.set_log_line(absl::StrCat("installing ", spec));
    writer->Write(event);
  }
  if (Holds(*request, "hold")) {
    ++holding_;
    while (!released_ && !context->IsCancelled()) absl::SleepFor(absl::Milliseconds(1));
    --holding_;
  }
  KeysOfAllNodes().End(request->cache_key());
  if (context->IsCancelled()) {
    ++cancelled_builds_;
    return grpc::Status::CANCELLED;
  }
  if (Holds(*request, "bad")) {
    internal::v1::BuildLayerFailure* failure = event.mutable_failure();
    failure->set_reason("INSTALL_FAILED");
    failure->set_message("no such package");
    failure->set_package("bad");
    failure->set_exit_code(100);
    // As long as a real one: what matters stands at its end.
    std::string log;
    for (int i = 0; i < 60; ++i) absl::StrAppend(&log, "Get:", i, " a package list\n");
    failure->set_log_tail(log + "E: Unable to locate package bad\n");
    writer->Write(event);
    return grpc::Status::OK;
  }
  internal::v1::BuiltLayer* built = event.mutable_built();
  built->set_digest(NewId("layer_", absl::Now()));
  built->set_size_bytes(1000);
  built->mutable_duration()->set_seconds(2);
  if (Holds(*request, "leak")) built->add_other_hosts("elsewhere.example");
  {
    absl::MutexLock lock(&mutex_);
    layers_[request->cache_key()] = built->digest();
    if (layer_registry_ != nullptr) layer_registry_->Add(built->digest());
  }
  writer->Write(event);
  return grpc::Status::OK;
}

internal::v1::SessionSpec FakeNodeAgent::SpecOf(const std::string& session_id) const {
  absl::MutexLock lock(&mutex_);
  const auto found = specs_.find(session_id);
  return found == specs_.end() ? internal::v1::SessionSpec() : found->second;
}

void FakeNodeAgent::Deny(const std::string& session_id, const std::string& name) {
  absl::MutexLock lock(&mutex_);
  std::vector<internal::v1::NodeEgressEvent>& events = egress_[session_id];
  internal::v1::NodeEgressEvent event;
  event.set_sequence(static_cast<int64_t>(events.size()) + 1);
  event.mutable_event()->set_name(name);
  event.mutable_event()->set_verdict(v1::EGRESS_VERDICT_DENIED);
  events.push_back(event);
}

grpc::Status FakeNodeAgent::ListEgressEvents(
    grpc::ServerContext*, const internal::v1::NodeListEgressEventsRequest* request,
    internal::v1::NodeListEgressEventsResponse* response) {
  absl::MutexLock lock(&mutex_);
  const auto& events = egress_[request->session_id()];
  for (auto event = events.rbegin(); event != events.rend(); ++event) {
    if (request->before_sequence() > 0 && event->sequence() >= request->before_sequence()) continue;
    if (response->events_size() >= request->limit()) {
      response->set_more(true);
      break;
    }
    *response->add_events() = *event;
  }
  return grpc::Status::OK;
}

grpc::Status FakeNodeAgent::WatchEgress(grpc::ServerContext* context,
                                        const internal::v1::NodeListEgressEventsRequest* request,
                                        grpc::ServerWriter<internal::v1::NodeEgressEvent>* writer) {
  size_t told = 0;
  ++hanging_;
  while (!context->IsCancelled()) {
    std::vector<internal::v1::NodeEgressEvent> events;
    bool ended;
    {
      absl::MutexLock lock(&mutex_);
      events = egress_[request->session_id()];
      const auto found = sessions_.find(request->session_id());
      ended = found == sessions_.end() || found->second != request->generation();
    }
    for (; told < events.size(); ++told) writer->Write(events[told]);
    if (ended) break;
    absl::SleepFor(absl::Milliseconds(1));
  }
  --hanging_;
  return context->IsCancelled() ? grpc::Status::CANCELLED : grpc::Status::OK;
}

}  // namespace paddock::testing
