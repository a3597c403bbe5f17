#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/clock.h"
#include "controlplane/core/image_store.h"
#include "tests/fakes/controlplane/fake_environment_store.h"

namespace paddock {

// ImageStore in memory, for the environments of a FakeEnvironmentStore; knows no sessions.
// Thread-safe.
class FakeImageStore : public ImageStore {
 public:
  // The arguments must outlive this.
  FakeImageStore(FakeEnvironmentStore* environments, Clock* clock)
      : environments_(environments), clock_(clock) {}

  absl::StatusOr<std::vector<EnvironmentId>> Idle(int limit) override;
  absl::StatusOr<Environment> Find(const EnvironmentId& id) override;
  absl::StatusOr<std::vector<Layer>> Layers(const std::string& cache_key) override;
  absl::StatusOr<ClaimResult> Claim(const BuildClaim& claim) override;
  absl::StatusOr<Renewal> Renew(const std::string& cache_key, const std::string& build_id,
                                absl::Duration ttl) override;
  absl::StatusOr<std::vector<EnvironmentId>> Commit(const Layer& layer, const std::string& build_id,
                                                    const NodeId& node) override;
  absl::StatusOr<std::vector<EnvironmentId>> Fail(const std::string& cache_key,
                                                  const std::string& build_id,
                                                  const ImageFailure& failure) override;
  absl::Status Release(const std::string& cache_key, const std::string& build_id,
                       absl::Duration delay, int attempts) override;
  absl::StatusOr<bool> Settle(const EnvironmentId& id, int64_t generation,
                              const std::vector<Layer>& layers) override;
  absl::Status ForgetImage(const NodeId& node, const std::string& digest) override;
  // No sessions, so nothing to do.
  absl::Status ForgetImageOf(const SessionId&, int64_t) override { return absl::OkStatus(); }
  absl::StatusOr<std::vector<QueuedImage>> QueuedImages(int) override {
    return std::vector<QueuedImage>();
  }
  absl::StatusOr<bool> AwaitAgain(const EnvironmentId&, int64_t, const std::string&,
                                  bool) override {
    return false;
  }
  absl::StatusOr<std::vector<EnvironmentId>> AppendLog(
      const std::string& cache_key, const std::string& build_id, int64_t first,
      const std::vector<std::string>& lines) override;
  absl::StatusOr<LogPart> ReadLog(const std::string& build_id, int64_t after, int limit) override;
  // Nothing expires here.
  absl::StatusOr<int64_t> Expire(int) override { return 0; }

  std::vector<std::string> ImagesOf(const NodeId& node) const;

 private:
  struct Build {
    BuildClaim claim;
    bool held = false;
    int attempts = 0;
    absl::Time started_at;
    absl::Time expires_at;
  };

  // The build that holds the key's lease or did last; null for another one.
  Build* Own(const std::string& cache_key, const std::string& build_id)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool Waits(const Environment& environment, const std::string& cache_key) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  std::vector<EnvironmentId> WaitingFor(const std::string& cache_key) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  // False when the image isn't that generation's and unsettled.
  bool Change(const EnvironmentId& id, int64_t generation,
              const std::function<void(EnvironmentImage*)>& change);

  FakeEnvironmentStore* const environments_;
  Clock* const clock_;
  mutable absl::Mutex mutex_;
  std::map<std::string, std::vector<Layer>> layers_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Build> builds_ ABSL_GUARDED_BY(mutex_);
  // What each environment waits for, with its image's generation.
  std::map<EnvironmentId, std::pair<int64_t, std::string>> keys_ ABSL_GUARDED_BY(mutex_);
  std::map<NodeId, std::vector<std::string>> images_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::map<int64_t, std::string>> logs_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace paddock
