#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/random/random.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/backoff.h"
#include "nodeagent/egress/gateway_client.h"
#include "nodeagent/session/session_manager.h"
#include "nodeagent/session/session_metrics.h"
#include "paddock/internal/v1/node.grpc.pb.h"

namespace paddock::nodeagent {

// What this node says of itself.
struct NodeDescription {
  // Everything of RegisterRequest that doesn't change while the agent runs (all but `sessions`).
  internal::v1::RegisterRequest registration;
  // Empty while the node takes work.
  std::function<std::string()> not_schedulable_reason;
  std::function<std::vector<std::string>()> images;
  // Time since boot, suspended time included.
  std::function<absl::Duration()> boot_time;
};

// The agent's side of NodeRegistry: registers, beats, applies what the node should run, and reports
// changes at once until they are acknowledged. Two threads of its own, so that neither starts nor
// slow reports hold up a heartbeat. Any replica will do: after a failure the next address is tried.
// The agent works on while no replica answers. Thread-safe.
class ControlPlaneClient {
 public:
  static constexpr absl::Duration kCallTimeout = absl::Seconds(5);
  static constexpr absl::Duration kGoodbyeTimeout = absl::Seconds(2);
  static constexpr int64_t kFailuresPerLine = 30;
  static constexpr absl::Duration kDefaultInterval = absl::Seconds(2);

  using Stub = internal::v1::NodeRegistry::StubInterface;

  // One stub a replica. `on_superseded` is called once, when another agent has taken over the node.
  ControlPlaneClient(std::vector<std::unique_ptr<Stub>> replicas, NodeDescription description,
                     SessionManager* manager, GatewayClient* gateway, SessionMetrics* metrics,
                     std::function<void()> on_superseded);
  // Ends both threads once their calls are over, and says goodbye: no new session is placed here
  // from then on, until an agent registers again.
  ~ControlPlaneClient();

  void Start();
  // Something changed: report soon. Quick; for SessionManager::SetChangeListener.
  void Wake();
  bool registered() const;

 private:
  void BeatLoop();
  void ReportLoop();
  // False: failed; wait and try again.
  bool Register();
  bool Beat();
  bool Report();
  // A last heartbeat that takes the node out of rotation; best effort, silence tells as well.
  void SayGoodbye();
  // The next heartbeat, and what of it an answer acknowledges.
  internal::v1::HeartbeatRequest NextHeartbeat(StatusReport* report);
  void HandleAnswer(const internal::v1::HeartbeatResponse& answer, absl::Duration sent_at);
  void Superseded();
  void LogFailure(absl::string_view what, const absl::Status& status);
  // True when everything in it is written down here.
  bool Apply(const internal::v1::DesiredSession& desired);
  bool Run(const internal::v1::SessionSpec& spec);
  bool Stop(const internal::v1::StopSessionRequest& stop);
  // Makes one call to the current replica; turns to the next after a failure.
  template <typename Request, typename Response>
  absl::Status Call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                    const Request& request, Response* response,
                    absl::Duration timeout = kCallTimeout);
  // False when it is time to end.
  bool Sleep(absl::Duration duration);

  const std::vector<std::unique_ptr<Stub>> replicas_;
  const NodeDescription description_;
  SessionManager* const manager_;
  GatewayClient* const gateway_;
  SessionMetrics* const metrics_;
  const std::function<void()> on_superseded_;

  mutable absl::Mutex mutex_;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  bool registered_ ABSL_GUARDED_BY(mutex_) = false;
  bool wake_ ABSL_GUARDED_BY(mutex_) = false;
  size_t replica_ ABSL_GUARDED_BY(mutex_) = 0;

  // Of the beat thread.
  internal::v1::HeartbeatResponse first_answer_;  // To Register; applied after the first beat.
  bool has_first_answer_ = false;
  int64_t sequence_ = 0;
  int64_t applied_revision_ = 0;
  absl::Duration interval_ = kDefaultInterval;
  bool superseded_ = false;
  int64_t failures_ = 0;  // In a row, of registrations and heartbeats.
  absl::BitGen random_;

  std::thread beat_thread_;
  std::thread report_thread_;
};

}  // namespace paddock::nodeagent
