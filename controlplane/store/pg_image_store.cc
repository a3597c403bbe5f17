#include "controlplane/store/pg_image_store.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/last_lines.h"
#include "common/status_macros.h"
#include "controlplane/store/environment_rows.h"
#include "controlplane/store/image_rows.h"
#include "controlplane/store/json_codec.h"
#include "controlplane/store/row_reader.h"

namespace paddock {
namespace {

using Ids = std::vector<EnvironmentId>;

constexpr Statement kIdle = {
    "image_idle",
    "SELECT e.id FROM environments e LEFT JOIN builds b ON b.cache_key = e.image_key WHERE "
    "e.image_unsettled AND (b.cache_key IS NULL OR b.expires_at <= clock_timestamp()) ORDER BY "
    "e.id LIMIT $1"};
constexpr Statement kFind = {
    "image_find", "SELECT " PADDOCK_ENVIRONMENT_COLUMNS " FROM environments WHERE id = $1"};
constexpr Statement kLayers = {"image_layers",
                               "SELECT " PADDOCK_LAYER_COLUMNS
                               " FROM layers WHERE cache_key = $1 ORDER BY built_at, digest"};
constexpr Statement kCountLayers = {"image_count_layers",
                                    "SELECT count(*) FROM layers WHERE cache_key = $1"};
constexpr Statement kCountBuilds = {
    "image_count_builds",
    "SELECT count(*) FROM builds WHERE node_id = $1 AND holder <> '' AND expires_at > "
    "clock_timestamp() AND cache_key <> $2"};
constexpr Statement kTake = {
    "image_take_build",
    "INSERT INTO builds (cache_key, build_id, environment_id, generation, manager, node_id, "
    "holder, attempts, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, 1, clock_timestamp() + "
    "$8::interval) ON CONFLICT (cache_key) DO UPDATE SET build_id = EXCLUDED.build_id, "
    "environment_id = EXCLUDED.environment_id, generation = EXCLUDED.generation, manager = "
    "EXCLUDED.manager, node_id = EXCLUDED.node_id, holder = EXCLUDED.holder, attempts = "
    "builds.attempts + 1, started_at = clock_timestamp(), expires_at = EXCLUDED.expires_at WHERE "
    "builds.expires_at <= clock_timestamp() RETURNING build_id, started_at, holder, attempts"};
constexpr Statement kBuild = {
    "image_build",
    "SELECT build_id, started_at, holder, attempts FROM builds WHERE cache_key = $1"};
constexpr Statement kRenew = {
    "image_renew",
    "UPDATE builds SET expires_at = clock_timestamp() + $3::interval WHERE cache_key = $1 AND "
    "build_id = $2 AND holder <> '' RETURNING EXISTS (SELECT 1 FROM environments e WHERE "
    "e.image_key = $1 AND e.image_unsettled)"};
constexpr Statement kDrop = {"image_drop_build",
                             "DELETE FROM builds WHERE cache_key = $1 AND build_id = $2 RETURNING "
                             "environment_id, generation"};
constexpr Statement kOwner = {
    "image_build_owner",
    "SELECT environment_id, generation FROM builds WHERE cache_key = $1 AND build_id = $2"};
constexpr Statement kRelease = {
    "image_release",
    "UPDATE builds SET holder = '', attempts = $4, expires_at = clock_timestamp() + $3::interval "
    "WHERE cache_key = $1 AND build_id = $2"};
constexpr Statement kInsertLayer = {
    "image_insert_layer",
    "INSERT INTO layers (cache_key, digest, parent, manager, toolchain, size_bytes, "
    "build_duration, registry_hosts, other_hosts) VALUES ($1, $2, $3, $4, $5, $6, $7::interval, "
    "$8, $9) ON CONFLICT (cache_key, digest) DO UPDATE SET last_used = clock_timestamp()"};
constexpr Statement kUseLayers = {"image_use_layers",
                                  "UPDATE layers SET last_used = clock_timestamp() WHERE cache_key "
                                  "= ANY ($1::text[]) AND digest = ANY ($2::text[])"};
constexpr Statement kAppend = {
    "image_append_log",
    "INSERT INTO build_logs (build_id, sequence, count, lines) VALUES ($1, $2, $3, $4) ON CONFLICT "
    "DO NOTHING"};
constexpr Statement kWakeWaiting = {
    "image_wake_waiting",
    "INSERT INTO changes (kind, resource_id) SELECT 1, id FROM environments WHERE image_key = $1 "
    "AND image_unsettled RETURNING resource_id"};
constexpr Statement kReadLog = {
    "image_read_log",
    "SELECT sequence, lines FROM build_logs WHERE build_id = $1 AND sequence + count - 1 > $2 "
    "ORDER BY sequence LIMIT $3"};
constexpr Statement kExpire[] = {
    {"expire_build_logs",
     "DELETE FROM build_logs WHERE ctid = ANY (ARRAY(SELECT ctid FROM build_logs WHERE created_at "
     "< clock_timestamp() - interval '7 days' LIMIT $1))"},
    {"expire_builds",
     "DELETE FROM builds WHERE ctid = ANY (ARRAY(SELECT ctid FROM builds WHERE expires_at < "
     "clock_timestamp() - interval '1 day' LIMIT $1))"}};

// Lines of a batch are at most some hundreds.
constexpr int kBatchesAtOnce = 20;

// Of the build's log, in the reason of a session.
constexpr size_t kMaxLinesBytes = 1000;

absl::Status LeaseLost() { return absl::AbortedError("the build has lost its lease"); }

// For the sessions that waited for it.
std::string Explain(const ImageFailure& failure) {
  std::string text = absl::StrCat("The image failed to build: ", failure.manager);
  if (!failure.package.empty()) absl::StrAppend(&text, " ", failure.package);
  if (failure.exit_code != 0) absl::StrAppend(&text, ", exit code ", failure.exit_code);
  if (!failure.message.empty()) absl::StrAppend(&text, ": ", failure.message);
  const std::string lines = LastLines(failure.log_tail, kMaxLinesBytes);
  if (!lines.empty()) absl::StrAppend(&text, "\n", lines);
  return text;
}

}  // namespace

absl::StatusOr<Ids> PgImageStore::Idle(int limit) {
  return sql_->Run<Ids>(
      TransactionMode::kRead, [&](Transaction& transaction) -> absl::StatusOr<Ids> {
        Ids ids;
        for (const pqxx::row& row : transaction.Exec(kIdle, Params().Add(limit))) {
          ids.emplace_back(RowReader(row).String());
        }
        return ids;
      });
}

absl::StatusOr<Environment> PgImageStore::Find(const EnvironmentId& id) {
  return sql_->Run<Environment>(
      TransactionMode::kRead, [&](Transaction& transaction) -> absl::StatusOr<Environment> {
        const pqxx::row row = transaction.ExecRow(kFind, Params().Add(id.value()));
        if (row.empty()) return errors::EnvironmentNotFound(id.value());
        return ReadEnvironment(row);
      });
}

absl::StatusOr<std::vector<Layer>> PgImageStore::Layers(const std::string& cache_key) {
  using Layers = std::vector<Layer>;
  return sql_->Run<Layers>(
      TransactionMode::kRead, [&](Transaction& transaction) -> absl::StatusOr<Layers> {
        Layers layers;
        for (const pqxx::row& row : transaction.Exec(kLayers, Params().Add(cache_key))) {
          layers.push_back(ReadLayer(row));
        }
        return layers;
      });
}

absl::StatusOr<ImageStore::ClaimResult> PgImageStore::Claim(const BuildClaim& claim) {
  ClaimOutcome undone = ClaimOutcome::kChanged;
  absl::StatusOr<ClaimResult> result = sql_->Run<ClaimResult>(
      TransactionMode::kManyWrite,
      [&](Transaction& transaction) { return ClaimIn(transaction, claim, &undone); });
  if (absl::IsAborted(result.status())) return ClaimResult{undone, 0};
  return result;
}

// ABORTED: the lease that was taken is free again, because of what `undone` says.

absl::StatusOr<ImageStore::ClaimResult> PgImageStore::ClaimIn(Transaction& transaction,
                                                              const BuildClaim& claim,
                                                              ClaimOutcome* undone) {
  *undone = ClaimOutcome::kChanged;
  std::optional<Environment> environment =
      LockUnsettled(transaction, claim.environment_id, claim.generation);
  if (!environment.has_value()) return ClaimResult{ClaimOutcome::kMovedOn, 0};
  ClaimResult result;
  pqxx::row row = transaction.ExecRow(kTake, Params()
                                                 .Add(claim.cache_key)
                                                 .Add(claim.build_id)
                                                 .Add(claim.environment_id.value())
                                                 .Add(claim.generation)
                                                 .Add(claim.manager)
                                                 .Add(claim.node.value())
                                                 .Add(claim.holder)
                                                 .Add(claim.ttl));
  result.outcome = row.empty() ? ClaimOutcome::kJoined : ClaimOutcome::kClaimed;
  if (row.empty()) row = transaction.ExecRow(kBuild, Params().Add(claim.cache_key));
  // It ended between the two statements.
  if (row.empty()) return absl::AbortedError("the build has ended");
  RowReader reader(row);
  const BuildReference build{reader.String(), claim.manager};
  const absl::Time started_at = reader.Time();
  const bool under_way = !reader.Text().empty();
  result.attempt = static_cast<int>(reader.Integer());
  if (result.outcome == ClaimOutcome::kClaimed) {
    // After the lease: a commit before it is seen here, none comes after it.
    const int64_t known =
        RowReader(transaction.ExecRow(kCountLayers, Params().Add(claim.cache_key))).Integer();
    if (known != claim.known_layers) return absl::AbortedError("the layers changed");
    const int64_t on_node =
        RowReader(transaction.ExecRow(kCountBuilds,
                                      Params().Add(claim.node.value()).Add(claim.cache_key)))
            .Integer();
    if (on_node >= claim.max_on_node) {
      *undone = ClaimOutcome::kNodeBusy;
      return absl::AbortedError("the node builds enough");
    }
  }
  EnvironmentImage& image = environment->image;
  const bool listed = std::any_of(
      image.builds.begin(), image.builds.end(),
      [&build](const BuildReference& other) { return other.build_id == build.build_id; });
  if (under_way && !listed) image.builds.push_back(build);
  if (under_way) {
    image.state = ImageState::kBuilding;
    image.building_manager = claim.manager;
    image.building_since = started_at;
  }
  WriteImage(transaction, claim.environment_id, image, claim.cache_key);
  return result;
}

absl::StatusOr<ImageStore::Renewal> PgImageStore::Renew(const std::string& cache_key,
                                                        const std::string& build_id,
                                                        absl::Duration ttl) {
  return sql_->Run<Renewal>(
      TransactionMode::kOne, [&](Transaction& transaction) -> absl::StatusOr<Renewal> {
        const pqxx::row row =
            transaction.ExecRow(kRenew, Params().Add(cache_key).Add(build_id).Add(ttl));
        if (row.empty()) return Renewal{};
        return Renewal{true, RowReader(row).Boolean()};
      });
}

absl::StatusOr<Ids> PgImageStore::Commit(const Layer& layer, const std::string& build_id,
                                         const NodeId& node) {
  return sql_->Run<Ids>(
      TransactionMode::kManyWrite, [&](Transaction& transaction) -> absl::StatusOr<Ids> {
        if (transaction.ExecRow(kDrop, Params().Add(layer.cache_key).Add(build_id)).empty()) {
          return LeaseLost();
        }
        transaction.Exec(kInsertLayer, Params()
                                           .Add(layer.cache_key)
                                           .Add(layer.digest)
                                           .Add(layer.parent)
                                           .Add(layer.manager)
                                           .Add(layer.toolchain)
                                           .Add(layer.size_bytes)
                                           .Add(layer.build_duration)
                                           .Add(EncodeStrings(layer.registry_hosts))
                                           .Add(EncodeStrings(layer.other_hosts)));
        ChangeImages(transaction, node, [&layer](std::vector<std::string>* images) {
          if (std::find(images->begin(), images->end(), layer.digest) == images->end()) {
            images->push_back(layer.digest);
          }
        });
        return WaitingFor(transaction, layer.cache_key);
      });
}

absl::StatusOr<Ids> PgImageStore::Fail(const std::string& cache_key, const std::string& build_id,
                                       const ImageFailure& failure) {
  return sql_->Run<Ids>(TransactionMode::kManyWrite, [&](Transaction& transaction) {
    return FailIn(transaction, cache_key, build_id, failure);
  });
}

absl::StatusOr<Ids> PgImageStore::FailIn(Transaction& transaction, const std::string& cache_key,
                                         const std::string& build_id, const ImageFailure& failure) {
  const Params key = Params().Add(cache_key).Add(build_id);
  const pqxx::row row = transaction.ExecRow(kOwner, key);
  if (row.empty()) return LeaseLost();
  RowReader reader(row);
  const EnvironmentId owner(reader.String());
  const int64_t generation = reader.Integer();
  // Before the lease, as everywhere.
  std::optional<Environment> environment = LockUnsettled(transaction, owner, generation);
  if (transaction.ExecRow(kDrop, key).empty()) return LeaseLost();
  Ids concerned = WaitingFor(transaction, cache_key);
  if (!environment.has_value()) return concerned;
  EnvironmentImage& image = environment->image;
  image.state = ImageState::kFailed;
  image.failure = failure;
  image.building_manager.clear();
  image.building_since.reset();
  WriteImage(transaction, owner, image, std::nullopt);
  EndSessions(transaction, owner, Explain(failure));
  return concerned;
}

absl::Status PgImageStore::Release(const std::string& cache_key, const std::string& build_id,
                                   absl::Duration delay, int attempts) {
  return sql_->RunStatus(TransactionMode::kOne, [&](Transaction& transaction) {
    transaction.Exec(kRelease,
                     Params().Add(cache_key).Add(build_id).Add(delay).Add(std::max(attempts, 0)));
    return absl::OkStatus();
  });
}

absl::StatusOr<bool> PgImageStore::Settle(const EnvironmentId& id, int64_t generation,
                                          const std::vector<Layer>& layers) {
  return sql_->Run<bool>(
      TransactionMode::kManyWrite, [&](Transaction& transaction) -> absl::StatusOr<bool> {
        std::optional<Environment> environment = LockUnsettled(transaction, id, generation);
        if (!environment.has_value()) return false;
        EnvironmentImage& image = environment->image;
        image.state = ImageState::kReady;
        image.building_manager.clear();
        image.building_since.reset();
        std::vector<std::string> keys;
        std::vector<std::string> digests;
        for (const Layer& layer : layers) {
          image.layers.push_back({layer.manager, layer.digest, layer.size_bytes, layer.built_at,
                                  layer.build_duration, layer.toolchain});
          image.size_bytes += layer.size_bytes;
          image.digest = layer.digest;
          keys.push_back(layer.cache_key);
          digests.push_back(layer.digest);
        }
        WriteImage(transaction, id, image, std::nullopt);
        transaction.Exec(kUseLayers, Params().Add(keys).Add(digests));
        PinSessions(transaction, *environment, settings_);
        return true;
      });
}

absl::StatusOr<Ids> PgImageStore::AppendLog(const std::string& cache_key,
                                            const std::string& build_id, int64_t first,
                                            const std::vector<std::string>& lines) {
  return sql_->Run<Ids>(
      TransactionMode::kManyWrite, [&](Transaction& transaction) -> absl::StatusOr<Ids> {
        transaction.Exec(kAppend, Params()
                                      .Add(build_id)
                                      .Add(first)
                                      .Add(static_cast<int64_t>(lines.size()))
                                      .Add(EncodeStrings(lines)));
        Ids ids;
        for (const pqxx::row& row : transaction.Exec(kWakeWaiting, Params().Add(cache_key))) {
          ids.emplace_back(RowReader(row).String());
        }
        return ids;
      });
}

absl::StatusOr<ImageStore::LogPart> PgImageStore::ReadLog(const std::string& build_id,
                                                          int64_t after, int limit) {
  return sql_->Run<LogPart>(
      TransactionMode::kRead, [&](Transaction& transaction) -> absl::StatusOr<LogPart> {
        LogPart part;
        part.last = after;
        int batches = 0;
        for (const pqxx::row& row :
             transaction.Exec(kReadLog, Params().Add(build_id).Add(after).Add(kBatchesAtOnce))) {
          RowReader reader(row);
          int64_t number = reader.Integer();
          if (static_cast<int>(part.lines.size()) >= limit) {
            part.more = true;
            return part;
          }
          ++batches;
          for (std::string& line : DecodeStrings(reader.Text())) {
            if (number > part.last) {
              part.last = number;
              part.lines.push_back(std::move(line));
            }
            ++number;
          }
        }
        part.more = batches == kBatchesAtOnce;
        return part;
      });
}

absl::StatusOr<int64_t> PgImageStore::Expire(int limit) {
  int64_t removed = 0;
  for (const Statement& statement : kExpire) {
    PADDOCK_RETURN_IF_ERROR(sql_->RunStatus(TransactionMode::kOne, [&](Transaction& transaction) {
      removed += transaction.Exec(statement, Params().Add(limit)).affected_rows();
      return absl::OkStatus();
    }));
  }
  return removed;
}

}  // namespace paddock
