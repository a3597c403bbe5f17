#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace paddock::nodeagent {

// Who this node is, kept in node.json: an id made at the first start, and the epoch of the last
// start. Not thread-safe.
class NodeIdentity {
 public:
  // Reads the file or makes it, durably: with `given_id`, or with a new id if that is empty.
  // FAILED_PRECONDITION when the file has another id than the one given.
  static absl::StatusOr<NodeIdentity> LoadOrCreate(const std::string& path, absl::Time now,
                                                   const std::string& given_id = "");

  const std::string& node_id() const { return node_id_; }

  // A new epoch, durably written down before it is returned. Sorts after every earlier one of this
  // node, also when the wall clock was set back.
  absl::StatusOr<std::string> NextEpoch(absl::Time now);

 private:
  NodeIdentity(std::string path, std::string node_id, int64_t epoch_millis)
      : path_(std::move(path)), node_id_(std::move(node_id)), epoch_millis_(epoch_millis) {}
  absl::Status Save() const;

  std::string path_;
  std::string node_id_;
  int64_t epoch_millis_;
};

}  // namespace paddock::nodeagent
