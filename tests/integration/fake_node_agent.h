#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "common/grpc_server.h"
#include "common/tls.h"
#include "paddock/internal/v1/node.grpc.pb.h"

namespace paddock::testing {

// The registry of layers that fake nodes have in common. Thread-safe.
class FakeLayerRegistry {
 public:
  void Add(const std::string& digest) {
    absl::MutexLock lock(&mutex_);
    digests_.insert(digest);
  }
  bool Has(const std::string& digest) const {
    absl::MutexLock lock(&mutex_);
    return digests_.count(digest) > 0;
  }
  void Lose() {
    absl::MutexLock lock(&mutex_);
    digests_.clear();
  }

 private:
  mutable absl::Mutex mutex_;
  std::set<std::string> digests_ ABSL_GUARDED_BY(mutex_);
};

// A node agent over real gRPC with mutual TLS, whose containers are pretended. Thread-safe.
//
// Commands: `cat` echoes its input, `exit N` ends with N, `hang` goes on until it is cancelled,
// `flood` writes without end, `fail` answers NOT_FOUND.
//
// Layers: a spec `bad` fails with exit code 100, `hold` builds until Release or the end of the
// call, `leak` reaches a host that is no registry; every build has a digest of its own. Each spec
// is a line of the log.
class FakeNodeAgent final : public internal::v1::NodeAgent::Service {
 public:
  // Serves with a certificate of that node.
  FakeNodeAgent(std::string node_id, const TlsFiles& files);
  ~FakeNodeAgent() override;

  // Tells the registry at that port; `node_id` is what the message says.
  grpc::Status Register(int registry_port, const std::string& node_id);
  grpc::Status Register(int registry_port) { return Register(registry_port, node_id_); }
  grpc::Status Heartbeat(int registry_port);
  // A heartbeat every 200 ms from now on, until Stop. Call again for another registry.
  void KeepBeating(int registry_port);

  // As if the machine was gone: every connection breaks, no new ones.
  void Stop();

  const std::string& node_id() const { return node_id_; }
  int running() const;
  int hanging() const { return hanging_; }
  int64_t flooded() const { return flooded_; }
  // What was asked for, in the order of the calls: `manager spec,spec` or `manager toolchain`.
  std::vector<std::string> builds() const;
  int holding() const { return holding_; }
  int cancelled_builds() const { return cancelled_builds_; }
  // Whether one key was ever built twice at once, on any node.
  static bool EverBuiltTwiceAtOnce();
  // Builds that are held, and later ones, go on.
  void Release() { released_ = true; }
  // The layer is collected.
  void Forget(const std::string& digest);
  // Sessions and builds start only from what is here or in `registry` (may be null); what is built
  // is pushed there.
  void CheckImages(FakeLayerRegistry* registry);

  // What the newest PutSession of the session said.
  internal::v1::SessionSpec SpecOf(const std::string& session_id) const;
  // The session was denied that name.
  void Deny(const std::string& session_id, const std::string& name);
  // Whole files, by path.
  std::map<std::string, std::string> files() const;

  grpc::Status PutSession(grpc::ServerContext* context,
                          const internal::v1::PutSessionRequest* request,
                          internal::v1::PutSessionResponse* response) override;
  grpc::Status StopSession(grpc::ServerContext* context,
                           const internal::v1::StopSessionRequest* request,
                           internal::v1::StopSessionResponse* response) override;
  grpc::Status Exec(
      grpc::ServerContext* context,
      grpc::ServerReaderWriter<v1::ExecResponse, internal::v1::NodeExecRequest>* stream) override;
  grpc::Status ReadFile(grpc::ServerContext* context,
                        const internal::v1::NodeReadFileRequest* request,
                        grpc::ServerWriter<v1::ReadFileResponse>* writer) override;
  grpc::Status WriteFile(grpc::ServerContext* context,
                         grpc::ServerReader<internal::v1::NodeWriteFileRequest>* reader,
                         v1::WriteFileResponse* response) override;
  grpc::Status ListDirectory(grpc::ServerContext* context,
                             const internal::v1::NodeListDirectoryRequest* request,
                             v1::ListDirectoryResponse* response) override;
  grpc::Status BuildLayer(grpc::ServerContext* context,
                          const internal::v1::BuildLayerRequest* request,
                          grpc::ServerWriter<internal::v1::BuildLayerEvent>* writer) override;

  grpc::Status ListEgressEvents(grpc::ServerContext* context,
                                const internal::v1::NodeListEgressEventsRequest* request,
                                internal::v1::NodeListEgressEventsResponse* response) override;
  grpc::Status WatchEgress(grpc::ServerContext* context,
                           const internal::v1::NodeListEgressEventsRequest* request,
                           grpc::ServerWriter<internal::v1::NodeEgressEvent>* writer) override;

 private:
  // Whether a session or build can start from it.
  bool HasImage(const std::string& digest) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::unique_ptr<internal::v1::NodeRegistry::Stub> Registry(int port) const;
  // FAILED_PRECONDITION for another generation than the one that runs.
  grpc::Status CheckGeneration(const std::string& session_id, int64_t generation) const;

  const std::string node_id_;
  const std::shared_ptr<TlsIdentity> identity_;
  const std::string epoch_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
  std::atomic<int> hanging_{0};
  std::atomic<int64_t> flooded_{0};
  std::atomic<int64_t> sequence_{0};
  std::atomic<int> holding_{0};
  std::atomic<int> cancelled_builds_{0};
  std::atomic<bool> released_{false};
  std::atomic<int> registry_port_{0};
  std::atomic<bool> stopping_{false};
  std::thread beating_;
  mutable absl::Mutex mutex_;
  int64_t applied_ ABSL_GUARDED_BY(mutex_) = 0;
  bool checks_images_ ABSL_GUARDED_BY(mutex_) = false;
  FakeLayerRegistry* layer_registry_ ABSL_GUARDED_BY(mutex_) = nullptr;
  std::map<std::string, int64_t> sessions_ ABSL_GUARDED_BY(mutex_);  // Generations.
  std::vector<std::string> builds_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::string> layers_ ABSL_GUARDED_BY(mutex_);  // Digests by cache key.
  std::map<std::string, std::string> files_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, internal::v1::SessionSpec> specs_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::vector<internal::v1::NodeEgressEvent>> egress_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace paddock::testing
