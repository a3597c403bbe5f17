#include "controlplane/store/fleet_reader.h"

#include <utility>

#include "controlplane/store/node_rows.h"

namespace paddock {
namespace {

constexpr Statement kConditions = {
    "fleet_conditions", "SELECT n.id, n.xmin::text, " PADDOCK_NODE_CONDITION PADDOCK_NODE_FROM};
constexpr Statement kDescriptions = {"fleet_descriptions",
                                     "SELECT n.id, n.xmin::text, " PADDOCK_NODE_DESCRIPTION
                                     " FROM nodes n WHERE n.id = ANY ($1::text[])"};

}  // namespace

absl::StatusOr<std::vector<Node>> FleetReader::ReadAll() {
  return sql_->Run<std::vector<Node>>(
      TransactionMode::kRead, [this](Transaction& transaction) { return ReadIn(transaction); });
}

absl::StatusOr<std::vector<Node>> FleetReader::ReadIn(Transaction& transaction) {
  const pqxx::result rows = transaction.Exec(kConditions);
  const std::vector<std::string> unknown = Unknown(rows);
  if (!unknown.empty()) Keep(transaction.Exec(kDescriptions, Params().Add(unknown)));
  std::vector<Node> nodes;
  nodes.reserve(rows.size());
  absl::MutexLock lock(&mutex_);
  for (const pqxx::row& row : rows) {
    RowReader reader(row);
    const auto known = descriptions_.find(reader.Text());
    if (known == descriptions_.end()) continue;  // Removed in between.
    (void)reader.Text();
    nodes.push_back(known->second.node);
    ReadNodeCondition(reader, settings_, &nodes.back());
  }
  return nodes;
}

std::vector<std::string> FleetReader::Unknown(const pqxx::result& rows) {
  std::vector<std::string> unknown;
  absl::MutexLock lock(&mutex_);
  // Of those that were removed nothing is kept for long.
  if (descriptions_.size() > 2 * static_cast<size_t>(rows.size())) descriptions_.clear();
  for (const pqxx::row& row : rows) {
    RowReader reader(row);
    const absl::string_view id = reader.Text();
    const auto known = descriptions_.find(id);
    if (known == descriptions_.end() || known->second.version != reader.Text()) {
      unknown.emplace_back(id);
    }
  }
  return unknown;
}

void FleetReader::Keep(const pqxx::result& descriptions) {
  absl::MutexLock lock(&mutex_);
  for (const pqxx::row& row : descriptions) {
    RowReader reader(row);
    std::string id = reader.String();
    Description& description = descriptions_[id];
    description.version = reader.String();
    description.node = Node();
    description.node.id = NodeId(std::move(id));
    ReadNodeDescription(reader, &description.node);
  }
}

}  // namespace paddock
