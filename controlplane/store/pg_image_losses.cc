// The part of PgImageStore about images that are nowhere any more.
#include <algorithm>
#include <optional>
#include <utility>
#include <variant>

#include "controlplane/core/environment_rules.h"
#include "controlplane/store/environment_rows.h"
#include "controlplane/store/image_rows.h"
#include "controlplane/store/json_codec.h"
#include "controlplane/store/pg_image_store.h"
#include "controlplane/store/row_reader.h"

namespace paddock {
namespace {

// Digests name their parents, so chains have an end.
constexpr Statement kForgetChain = {
    "image_forget_chain",
    "WITH RECURSIVE chain (digest) AS (SELECT $1::text UNION SELECT l.parent FROM layers l JOIN "
    "chain c ON l.digest = c.digest) DELETE FROM layers WHERE digest IN (SELECT digest FROM "
    "chain)"};
constexpr Statement kStarted = {
    "image_started_session",
    "SELECT p.node_id, s.spec FROM sessions s JOIN placements p ON p.session_id = s.id AND "
    "p.generation = s.generation WHERE s.id = $1 AND s.generation = $2"};

// What the reconciler's queue has or will have, once nothing of it is left elsewhere.
#define IN_QUEUE                                                  \
  "s.state IN ('PENDING', 'RESCHEDULING') AND s.shape <> '' AND " \
  "s.spec::json ->> 'image_digest' "
constexpr Statement kQueued = {
    "image_queued",
    "SELECT environment_id, digest, EXISTS (SELECT 1 FROM layers l WHERE l.digest = q.digest) FROM "
    "(SELECT DISTINCT s.environment_id, s.spec::json ->> 'image_digest' AS digest FROM sessions s "
    "WHERE " IN_QUEUE "<> '') q ORDER BY environment_id, digest LIMIT $1"};
constexpr Statement kAwaitAgain = {
    "image_await_again",
    "UPDATE sessions s SET shape = '', reason = 'IMAGE_BUILDING', message = $3, revision = "
    "revision + 1, updated_at = clock_timestamp() WHERE s.environment_id = $1 AND " IN_QUEUE
    "= $2 RETURNING s.id"};
#undef IN_QUEUE
constexpr Statement kNoteSession = {"image_note_session",
                                    "INSERT INTO changes (kind, resource_id) VALUES (2, $1)"};

constexpr char kWaitsAgain[] =
    "No node has its image any more; it waits for the image of its environment.";

}  // namespace

void PgImageStore::Forget(Transaction& transaction, const NodeId& node, const std::string& digest) {
  if (settings_.images_can_be_pulled) transaction.Exec(kForgetChain, Params().Add(digest));
  ChangeImages(transaction, node, [&digest](std::vector<std::string>* images) {
    images->erase(std::remove(images->begin(), images->end(), digest), images->end());
  });
}

absl::Status PgImageStore::ForgetImage(const NodeId& node, const std::string& digest) {
  return sql_->RunStatus(TransactionMode::kManyWrite, [&](Transaction& transaction) {
    Forget(transaction, node, digest);
    return absl::OkStatus();
  });
}

absl::Status PgImageStore::ForgetImageOf(const SessionId& id, int64_t generation) {
  return sql_->RunStatus(TransactionMode::kManyWrite, [&](Transaction& transaction) {
    const pqxx::row row = transaction.ExecRow(kStarted, Params().Add(id.value()).Add(generation));
    if (row.empty()) return absl::OkStatus();
    RowReader reader(row);
    const NodeId node(reader.String());
    SessionSpec spec;
    DecodeSpec(reader.Text(), &spec);
    if (!spec.image_digest.empty()) Forget(transaction, node, spec.image_digest);
    return absl::OkStatus();
  });
}

absl::StatusOr<std::vector<ImageStore::QueuedImage>> PgImageStore::QueuedImages(int limit) {
  using Images = std::vector<QueuedImage>;
  return sql_->Run<Images>(
      TransactionMode::kRead, [&](Transaction& transaction) -> absl::StatusOr<Images> {
        Images images;
        for (const pqxx::row& row : transaction.Exec(kQueued, Params().Add(limit))) {
          RowReader reader(row);
          QueuedImage image;
          image.environment_id = EnvironmentId(reader.String());
          image.digest = reader.String();
          image.known = reader.Boolean();
          images.push_back(std::move(image));
        }
        return images;
      });
}

absl::StatusOr<bool> PgImageStore::AwaitAgain(const EnvironmentId& id, int64_t generation,
                                              const std::string& digest, bool remake) {
  return sql_->Run<bool>(
      TransactionMode::kManyWrite, [&](Transaction& transaction) -> absl::StatusOr<bool> {
        std::optional<Environment> environment = LockEnvironment(transaction, id);
        if (!environment.has_value() || environment->image.generation != generation) return false;
        const auto* cloud = std::get_if<CloudConfig>(&environment->config);
        if (cloud == nullptr) return false;
        if (remake) {
          environment->image = NextImage(cloud->packages, environment->image);
          WriteImage(transaction, id, environment->image, std::nullopt);
        }
        const pqxx::result waiting =
            transaction.Exec(kAwaitAgain, Params().Add(id.value()).Add(digest).Add(kWaitsAgain));
        for (const pqxx::row& row : waiting) {
          transaction.Exec(kNoteSession, Params().Add(RowReader(row).Text()));
        }
        if (environment->image.state == ImageState::kReady) {
          PinSessions(transaction, *environment, settings_);
        }
        return true;
      });
}

}  // namespace paddock
