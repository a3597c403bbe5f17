#include "controlplane/store/image_rows.h"

#include <utility>
#include <variant>

#include "controlplane/core/scheduler.h"
#include "controlplane/store/environment_rows.h"
#include "controlplane/store/json_codec.h"
#include "controlplane/store/row_reader.h"

namespace paddock {
namespace {

constexpr Statement kLock = {"image_lock", "SELECT " PADDOCK_ENVIRONMENT_COLUMNS
                                           " FROM environments WHERE id = $1 FOR UPDATE"};
constexpr Statement kWrite = {
    "image_write",
    "UPDATE environments SET image = $2, image_unsettled = $3, image_key = $4, revision = revision "
    "+ (image <> $2)::integer WHERE id = $1"};
constexpr Statement kNoteChange = {"image_note_change",
                                   "INSERT INTO changes (kind, resource_id) VALUES ($1, $2)"};
constexpr Statement kWaiting = {
    "image_waiting",
    "SELECT id FROM environments WHERE image_key = $1 AND image_unsettled ORDER BY id"};
constexpr Statement kAwaiting = {
    "image_awaiting_sessions",
    "SELECT id, organization, workspace, document, spec, request_cpu, request_memory, "
    "request_disk, node_needs FROM sessions WHERE environment_id = $1 AND state IN "
    "('PENDING', 'RESCHEDULING') AND shape = '' ORDER BY id FOR UPDATE"};
constexpr Statement kPin = {
    "image_pin_session",
    "UPDATE sessions SET document = $2, spec = $3, shape = $4, reason = 'NO_ROOM', message = "
    "$5, revision = revision + 1, updated_at = clock_timestamp(), "
    "state_since = clock_timestamp() WHERE id = $1"};
constexpr Statement kEnd = {
    "image_end_sessions",
    "UPDATE sessions SET state = 'TERMINATED', reason = 'IMAGE_BUILD_FAILED', message = $2, "
    "revision = revision + 1, updated_at = clock_timestamp(), state_since = clock_timestamp(), "
    "ended_at = clock_timestamp() WHERE environment_id = $1 AND state IN ('PENDING', "
    "'RESCHEDULING') AND shape = '' RETURNING id"};
constexpr Statement kNodeImages = {"image_node_images",
                                   "SELECT images FROM nodes WHERE id = $1 FOR UPDATE"};
constexpr Statement kWriteNodeImages = {"image_write_node_images",
                                        "UPDATE nodes SET images = $2 WHERE id = $1"};

}  // namespace

Layer ReadLayer(const pqxx::row& row) {
  RowReader reader(row);
  Layer layer;
  layer.cache_key = reader.String();
  layer.digest = reader.String();
  layer.parent = reader.String();
  layer.manager = reader.String();
  layer.toolchain = reader.Boolean();
  layer.size_bytes = reader.Integer();
  layer.build_duration = reader.Seconds();
  layer.registry_hosts = DecodeStrings(reader.Text());
  layer.other_hosts = DecodeStrings(reader.Text());
  layer.built_at = reader.Time();
  return layer;
}

std::optional<Environment> LockEnvironment(Transaction& transaction, const EnvironmentId& id) {
  const pqxx::row row = transaction.ExecRow(kLock, Params().Add(id.value()));
  if (row.empty()) return std::nullopt;
  return ReadEnvironment(row);
}

std::optional<Environment> LockUnsettled(Transaction& transaction, const EnvironmentId& id,
                                         int64_t generation) {
  std::optional<Environment> environment = LockEnvironment(transaction, id);
  if (!environment.has_value() || environment->image.generation != generation ||
      !IsUnsettled(environment->image)) {
    return std::nullopt;
  }
  return environment;
}

void WriteImage(Transaction& transaction, const EnvironmentId& id, const EnvironmentImage& image,
                const std::optional<std::string>& key) {
  transaction.Exec(
      kWrite, Params().Add(id.value()).Add(EncodeImage(image)).Add(IsUnsettled(image)).Add(key));
  transaction.Exec(kNoteChange, Params().Add(1).Add(id.value()));
}

std::vector<EnvironmentId> WaitingFor(Transaction& transaction, const std::string& cache_key) {
  std::vector<EnvironmentId> waiting;
  for (const pqxx::row& row : transaction.Exec(kWaiting, Params().Add(cache_key))) {
    waiting.emplace_back(RowReader(row).String());
  }
  return waiting;
}

void PinSessions(Transaction& transaction, const Environment& environment,
                 const Settings& settings) {
  for (const pqxx::row& row : transaction.Exec(kAwaiting, Params().Add(environment.id.value()))) {
    RowReader reader(row);
    Session session;
    session.id = SessionId(reader.String());
    session.tenant.organization = reader.String();
    session.tenant.workspace = reader.String();
    DecodeSessionDocument(reader.Text(), &session);
    SessionSpec spec;
    DecodeSpec(reader.Text(), &spec);
    ComputeRequests& requests = session.compute.requests;
    requests.cpu_millis = reader.Integer();
    requests.memory_bytes = reader.Integer();
    requests.disk_bytes = reader.Integer();
    session.compute.node_labels = DecodeMap(reader.Text());
    session.image_digest = environment.image.digest;
    spec.image_digest = environment.image.digest;
    // The snapshot says what is in the image, also when packages changed while it was waited for.
    auto* snapshot = std::get_if<CloudConfig>(&session.config);
    const auto* now = std::get_if<CloudConfig>(&environment.config);
    if (snapshot != nullptr && now != nullptr) snapshot->packages = now->packages;
    const PlacementNeeds needs = {requests, session.compute.runtime_class,
                                  session.compute.node_labels, session.image_digest,
                                  settings.images_can_be_pulled};
    transaction.Exec(kPin, Params()
                               .Add(session.id.value())
                               .Add(EncodeSessionDocument(session))
                               .Add(EncodeSpec(spec))
                               .Add(ShapeOf(needs))
                               .Add(kWaitsForRoom));
    transaction.Exec(kNoteChange, Params().Add(2).Add(session.id.value()));
  }
}

void EndSessions(Transaction& transaction, const EnvironmentId& id, const std::string& message) {
  for (const pqxx::row& row : transaction.Exec(kEnd, Params().Add(id.value()).Add(message))) {
    transaction.Exec(kNoteChange, Params().Add(2).Add(RowReader(row).Text()));
  }
}

void ChangeImages(Transaction& transaction, const NodeId& node,
                  const std::function<void(std::vector<std::string>*)>& change) {
  const pqxx::row row = transaction.ExecRow(kNodeImages, Params().Add(node.value()));
  if (row.empty()) return;
  std::vector<std::string> images = DecodeStrings(RowReader(row).Text());
  change(&images);
  transaction.Exec(kWriteNodeImages, Params().Add(node.value()).Add(EncodeStrings(images)));
}

}  // namespace paddock
