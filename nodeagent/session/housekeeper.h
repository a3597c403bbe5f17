#pragma once

#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "nodeagent/session/exec_service.h"
#include "nodeagent/session/incident_monitor.h"
#include "nodeagent/session/node_gauges.h"
#include "nodeagent/session/session_manager.h"
#include "nodeagent/session/start_step.h"

namespace paddock::nodeagent {

// What is done now and then: looks at what sandboxes use, removes cgroups of ended background
// processes, checks the node's disk, sets the gauges. A thread of its own. Thread-safe.
class Housekeeper {
 public:
  static constexpr absl::Duration kInterval = absl::Seconds(10);

  Housekeeper(const NodeResources* resources, SessionManager* manager, ExecService* execs,
              IncidentMonitor* incidents, NodeGauges* gauges);
  ~Housekeeper();

  // One more thing to do in each round. Before Start.
  void AddChore(std::function<void()> chore) { chores_.push_back(std::move(chore)); }
  // One round, at once.
  void Run();
  void Start();

  // Why the node should take no work, as of the last round; empty when it should.
  std::string not_schedulable_reason() const;

 private:
  std::string CheckDisk() const;
  void Loop();

  const NodeResources* const resources_;
  SessionManager* const manager_;
  ExecService* const execs_;
  IncidentMonitor* const incidents_;
  NodeGauges* const gauges_;
  std::vector<std::function<void()>> chores_;
  mutable absl::Mutex mutex_;
  std::string reason_ ABSL_GUARDED_BY(mutex_);
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace paddock::nodeagent
