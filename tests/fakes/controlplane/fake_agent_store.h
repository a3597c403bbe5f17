#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/clock.h"
#include "controlplane/core/agent_store.h"
#include "tests/fakes/controlplane/fake_idempotency.h"

namespace paddock {

// Agents in memory, with the contract of AgentStore. Thread-safe.
class FakeAgentStore : public AgentStore {
 public:
  // `clock` must outlive this.
  explicit FakeAgentStore(Clock* clock) : clock_(clock) {}

  absl::StatusOr<Agent> Create(const Agent& agent, const Idempotency& idempotency) override;
  absl::StatusOr<Agent> Get(const Tenant& tenant, const AgentId& id, int64_t version) override;
  absl::StatusOr<StorePage<Agent>> List(const Tenant& tenant, const PageQuery& page,
                                        const AgentFilter& filter) override;
  absl::StatusOr<StorePage<Agent>> ListVersions(const Tenant& tenant, const AgentId& id,
                                                const PageQuery& page) override;
  absl::StatusOr<Agent> Mutate(const Tenant& tenant, const AgentId& id,
                               const Mutation<Agent>& mutation) override;
  absl::StatusOr<Agent> Archive(const Tenant& tenant, const AgentId& id, absl::Time now) override;

 private:
  // Versions in rising order; never empty.
  using Versions = std::vector<Agent>;

  absl::StatusOr<Versions*> Find(const Tenant& tenant, const AgentId& id)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Clock* const clock_;
  absl::Mutex mutex_;
  // By id, newest first.
  std::map<std::string, Versions, std::greater<>> agents_ ABSL_GUARDED_BY(mutex_);
  FakeIdempotency<Agent> results_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace paddock
