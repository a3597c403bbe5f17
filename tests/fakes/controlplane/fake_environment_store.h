#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/clock.h"
#include "controlplane/core/environment_store.h"
#include "tests/fakes/controlplane/fake_idempotency.h"

namespace paddock {

// Environments in memory, with the contract of EnvironmentStore. Thread-safe.
class FakeEnvironmentStore : public EnvironmentStore {
 public:
  // `clock` must outlive this.
  explicit FakeEnvironmentStore(Clock* clock) : clock_(clock) {}

  absl::StatusOr<Environment> Create(const Environment& environment,
                                     const Idempotency& idempotency) override;
  absl::StatusOr<Environment> Get(const Tenant& tenant, const EnvironmentId& id) override;
  absl::StatusOr<StorePage<Environment>> List(const Tenant& tenant, const PageQuery& page,
                                              Archived archived) override;
  absl::StatusOr<Environment> Mutate(const Tenant& tenant, const EnvironmentId& id,
                                     const Mutation<Environment>& mutation) override;
  absl::Status Delete(const Tenant& tenant, const EnvironmentId& id) override;

  // Of any tenant, oldest first.
  std::vector<Environment> All() const;

  // As if a session had been created from it.
  void AddReference(const EnvironmentId& id, const SessionId& session);
  void RemoveReference(const EnvironmentId& id, const SessionId& session);

  // The next call of any method answers this instead.
  void FailNext(absl::Status error);
  // How many calls came, failed ones included.
  int calls() const;

 private:
  // Counts the call; the error that was asked for, once.
  absl::Status Enter() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<Environment*> Find(const Tenant& tenant, const EnvironmentId& id)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool NameTaken(const Environment& environment) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Clock* const clock_;
  mutable absl::Mutex mutex_;
  // By id, newest first.
  std::map<std::string, Environment, std::greater<>> environments_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::vector<std::string>> references_ ABSL_GUARDED_BY(mutex_);
  FakeIdempotency<Environment> results_ ABSL_GUARDED_BY(mutex_);
  absl::Status next_error_ ABSL_GUARDED_BY(mutex_);
  int calls_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace paddock
