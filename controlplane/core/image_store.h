#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "controlplane/core/resources.h"
#include "controlplane/core/store_types.h"

namespace paddock {

// What a build made. Never changes.
struct Layer {
  std::string cache_key;
  std::string digest;  // Of its content.
  std::string parent;  // Digest of the layer below, or of the base image.
  std::string manager;
  bool toolchain = false;
  int64_t size_bytes = 0;
  absl::Duration build_duration;
  std::vector<std::string> registry_hosts;
  // Hosts that the build reached and that are no registries.
  std::vector<std::string> other_hosts;
  absl::Time built_at;
};

// Asks for the build of one layer, for one generation of an environment's image.
struct BuildClaim {
  EnvironmentId environment_id;
  int64_t generation = 0;
  std::string cache_key;
  std::string build_id;  // Of this attempt.
  std::string manager;
  NodeId node;
  std::string holder;  // The replica.
  absl::Duration ttl;
  int max_on_node = 1;
  // How many layers of this key the claimant has looked at and can't use.
  int known_layers = 0;
};

// Layers, who builds them, their logs, and how images move on; durable. See store_types.h.
//
// At most one build of a key is under way in the whole cluster: it has the key's lease, which
// somebody else can take when it has expired. An image waits for at most one key. All times of
// leases are the database's. Whatever comes from a generation of an image or a build that has been
// overtaken changes nothing.
class ImageStore {
 public:
  virtual ~ImageStore() = default;

  // Environments with a PENDING or BUILDING image that waits for nobody: no key, or one whose lease
  // nobody holds. Oldest first.
  virtual absl::StatusOr<std::vector<EnvironmentId>> Idle(int limit) = 0;

  // Of any tenant. NOT_FOUND.
  virtual absl::StatusOr<Environment> Find(const EnvironmentId& id) = 0;

  // The layers of a key, the first that was built first. There is more than one only when the
  // nodes of the earlier ones were away.
  virtual absl::StatusOr<std::vector<Layer>> Layers(const std::string& cache_key) = 0;

  enum class ClaimOutcome {
    kClaimed,   // The caller must build now.
    kJoined,    // Somebody builds it, or it is to be tried again later: the image waits for it.
    kNodeBusy,  // Nothing was changed.
    kChanged,   // There are other layers than known_layers: plan again. Nothing was changed.
    kMovedOn,   // The image isn't that generation's, or doesn't wait any more.
  };
  struct ClaimResult {
    ClaimOutcome outcome = ClaimOutcome::kMovedOn;
    int attempt = 0;  // Of kClaimed: 1, or more after attempts that were released.
  };
  // The image is BUILDING after kClaimed and after joining a build under way.
  virtual absl::StatusOr<ClaimResult> Claim(const BuildClaim& claim) = 0;

  struct Renewal {
    bool held = false;    // False: the build has lost its lease.
    bool needed = false;  // An image waits for it.
  };
  virtual absl::StatusOr<Renewal> Renew(const std::string& cache_key, const std::string& build_id,
                                        absl::Duration ttl) = 0;

  // Stores the layer, notes that `node` has it, and gives the lease back, all at once. Answers the
  // environments whose images waited for it. ABORTED: the build has lost its lease.
  virtual absl::StatusOr<std::vector<EnvironmentId>> Commit(const Layer& layer,
                                                            const std::string& build_id,
                                                            const NodeId& node) = 0;

  // The image of the environment that the build was for is FAILED, and the sessions that wait for
  // it end. Others that wait for the key are free to try themselves. Answers all of them. ABORTED
  // as above.
  virtual absl::StatusOr<std::vector<EnvironmentId>> Fail(const std::string& cache_key,
                                                          const std::string& build_id,
                                                          const ImageFailure& failure) = 0;

  // Gives the lease back without a result; nobody can take it for `delay`. The next claim is number
  // `attempts` + 1. OK as well when the build had lost its lease.
  virtual absl::Status Release(const std::string& cache_key, const std::string& build_id,
                               absl::Duration delay, int attempts) = 0;

  // The image is READY, if it still is that generation's and unsettled; the sessions that wait for
  // it are pinned to it and queue for a node. False: it isn't.
  virtual absl::StatusOr<bool> Settle(const EnvironmentId& id, int64_t generation,
                                      const std::vector<Layer>& layers) = 0;

  // The node lacks what it was thought to have. Where nodes pull images, their registry lacks it as
  // well: this layer and all below it are forgotten, and made (or pushed) again by whoever needs
  // them.
  virtual absl::Status ForgetImage(const NodeId& node, const std::string& digest) = 0;

  // The same, of the image that the session's start on its node needed. OK as well when the session
  // has moved on.
  virtual absl::Status ForgetImageOf(const SessionId& id, int64_t generation) = 0;

  // An image that sessions in the queue are pinned to.
  struct QueuedImage {
    EnvironmentId environment_id;
    std::string digest;
    bool known = false;  // A layer of this digest is recorded.
  };
  virtual absl::StatusOr<std::vector<QueuedImage>> QueuedImages(int limit) = 0;

  // Nobody has the image `digest` any more: the environment's sessions in the queue that are pinned
  // to it wait for the environment's image as it is now, and are pinned to that one. With `remake`
  // that is made anew. False, and nothing is changed, when the environment's image isn't
  // `generation`'s any more.
  virtual absl::StatusOr<bool> AwaitAgain(const EnvironmentId& id, int64_t generation,
                                          const std::string& digest, bool remake) = 0;

  // Lines of one build's log; `first` is the number of the first one, counted from 1. Wakes
  // watchers of the images that wait for the key; answers their environments.
  virtual absl::StatusOr<std::vector<EnvironmentId>> AppendLog(
      const std::string& cache_key, const std::string& build_id, int64_t first,
      const std::vector<std::string>& lines) = 0;

  struct LogPart {
    std::vector<std::string> lines;
    int64_t last = 0;  // Number of the last one; the number asked for when there are none.
    bool more = false;
  };
  // The lines after number `after`, about `limit` of them.
  virtual absl::StatusOr<LogPart> ReadLog(const std::string& build_id, int64_t after,
                                          int limit) = 0;

  // Removes logs after a week, and leases that nobody has taken for a day. In batches; answers the
  // number of rows.
  virtual absl::StatusOr<int64_t> Expire(int limit) = 0;
};

}  // namespace paddock
