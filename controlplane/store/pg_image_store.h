#pragma once

#include <string>
#include <vector>

#include "controlplane/core/image_store.h"
#include "controlplane/core/settings.h"
#include "controlplane/store/sql.h"

namespace paddock {

// ImageStore on PostgreSQL. Thread-safe.
class PgImageStore : public ImageStore {
 public:
  PgImageStore(const Sql* sql, const Settings& settings) : sql_(sql), settings_(settings) {}

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
  absl::Status ForgetImageOf(const SessionId& id, int64_t generation) override;
  absl::StatusOr<std::vector<QueuedImage>> QueuedImages(int limit) override;
  absl::StatusOr<bool> AwaitAgain(const EnvironmentId& id, int64_t generation,
                                  const std::string& digest, bool remake) override;
  absl::StatusOr<std::vector<EnvironmentId>> AppendLog(
      const std::string& cache_key, const std::string& build_id, int64_t first,
      const std::vector<std::string>& lines) override;
  absl::StatusOr<LogPart> ReadLog(const std::string& build_id, int64_t after, int limit) override;
  absl::StatusOr<int64_t> Expire(int limit) override;

 private:
  absl::StatusOr<ClaimResult> ClaimIn(Transaction& transaction, const BuildClaim& claim,
                                      ClaimOutcome* undone);
  absl::StatusOr<std::vector<EnvironmentId>> FailIn(Transaction& transaction,
                                                    const std::string& cache_key,
                                                    const std::string& build_id,
                                                    const ImageFailure& failure);

  void Forget(Transaction& transaction, const NodeId& node, const std::string& digest);

  const Sql* const sql_;
  const Settings settings_;
};

}  // namespace paddock
