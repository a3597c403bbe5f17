#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "paddock/internal/v1/node.grpc.pb.h"
#include "tests/support/test_certificates.h"

namespace paddock::testing {

struct BuildResult {
  std::vector<std::string> log;
  internal::v1::BuiltLayer built;
  internal::v1::BuildLayerFailure failure;
  absl::Status status;  // Of the call.
  absl::Duration took;

  bool ok() const { return status.ok() && !built.digest().empty(); }
  std::string Text() const;  // For messages of failed assertions.
};

struct CommandOutput {
  int code = -1;
  std::string text;  // Both streams.
};

// A port of the loopback interface that nobody listens on.
int FreePort();

// A real node agent, with state, volumes, addresses, cgroup and gateway process of its own, and no
// control plane: it works on without one. The test speaks to it as the control plane would. The
// base image is $PADDOCK_TEST_IMAGE. Removes everything at its end. Not thread-safe but for Build.
class TestAgent {
 public:
  // Agents that run at once have numbers of their own, from 0 on. `flags` are added to the agent's.
  // `certificates` are those of its control plane; null: of its own.
  explicit TestAgent(int number = 0, std::vector<std::string> flags = {},
                     TestCertificates* certificates = nullptr);
  ~TestAgent();

  // "" when it is up; else why not.
  std::string Start();
  // Of later starts, added to the others.
  void AddFlag(std::string flag) { flags_.push_back(std::move(flag)); }
  // SIGKILL; the gateway process and sandboxes go on.
  void Kill();

  const std::string& base_image() const { return base_image_; }
  const std::string& node_id() const { return node_id_; }
  // All that it has logged, also before a restart.
  std::string Log() const;
  // Makes the node have the base image with `files` (path: content) added or replaced; its digest,
  // empty after a failed test. Before Start.
  std::string AddBaseImage(const std::map<std::string, std::string>& files);
  const std::string& volumes() const { return volumes_; }
  // With defaults: the base image, unrestricted, a key of its own, ten minutes.
  internal::v1::BuildLayerRequest Request(const std::string& manager,
                                          std::vector<std::string> specs) const;
  // `on_line` may cancel the call.
  BuildResult Build(
      const internal::v1::BuildLayerRequest& request,
      const std::function<void(grpc::ClientContext*, const std::string&)>& on_line = nullptr);
  // Builds on `parent`, with the toolchain layer first where `toolchain`. The last result.
  BuildResult Install(const std::string& manager, std::vector<std::string> specs,
                      const std::string& parent = "", bool toolchain = false);

  // A running session from `image`; its id. Empty, and a failed test, when it doesn't start.
  std::string StartSession(const std::string& image);
  absl::Status StopSession(const std::string& id);
  // `user` empty: root.
  CommandOutput Run(const std::string& session, const std::vector<std::string>& command,
                    const std::string& user = "");

  // What builds may leave behind, as "volume:…", "cgroup:…", "layer:…", "state:…", but for layers
  // that are whole.
  std::vector<std::string> Leftovers() const;
  std::vector<std::string> Layers() const;

 private:
  std::vector<std::string> Arguments(const std::string& command) const;
  absl::StatusOr<std::string> Import(const std::string& archive) const;

  const int number_;  // Among the test's own.
  std::vector<std::string> flags_;
  const std::unique_ptr<TestCertificates> own_certificates_;
  TestCertificates* const certificates_;
  std::string directory_;
  std::string volumes_;
  const int place_;  // Among all of this machine's tests.
  const std::string cgroup_;
  const std::string instance_;
  std::string node_id_;
  std::string base_image_;
  int port_ = 0;
  pid_t pid_ = -1;
  int64_t next_ = 1;
  std::unique_ptr<internal::v1::NodeAgent::Stub> stub_;
};

}  // namespace paddock::testing
