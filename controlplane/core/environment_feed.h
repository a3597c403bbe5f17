#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "controlplane/core/environment_store.h"
#include "controlplane/core/image_store.h"
#include "controlplane/core/resources.h"
#include "controlplane/core/watch_hub.h"

namespace paddock {

struct BuildLogLine {
  std::string manager;
  std::string line;
};

// What one watcher of an environment is told: the state now, its build's log from the beginning,
// then later states and lines, each in the order in which they were written. It is asked for by the
// watcher, so a slow one costs no memory. One call at a time.
class EnvironmentFeed {
 public:
  using Event = std::variant<Environment, BuildLogLine>;

  struct Part {
    std::vector<Event> events;
    bool more = false;  // Ask again at once.
  };
  // The arguments must outlive this. Most callers want EnvironmentFeeds.
  EnvironmentFeed(EnvironmentStore* environments, ImageStore* images, Tenant tenant,
                  EnvironmentId id, int64_t after_revision)
      : environments_(environments),
        images_(images),
        tenant_(std::move(tenant)),
        id_(std::move(id)),
        revision_(after_revision) {}

  // What has come since the last call; empty when there is nothing new. Blocks for the database.
  // NOT_FOUND once the environment is deleted; UNAVAILABLE and RESOURCE_EXHAUSTED pass by.
  absl::StatusOr<Part> Next();

  // The newest that was told. Also while Next is under way.
  int64_t revision() const { return revision_; }

 private:
  absl::Status ReadLogs(const EnvironmentImage& image, Part* part);

  EnvironmentStore* const environments_;
  ImageStore* const images_;
  const Tenant tenant_;
  const EnvironmentId id_;
  std::atomic<int64_t> revision_;  // That was told.
  bool first_ = true;
  int64_t generation_ = -1;  // Of the image whose log is told.
  size_t build_ = 0;         // The place in its builds ...
  int64_t line_ = 0;         // ... and in that build's log.
};

// Makes feeds. Thread-safe; arguments must outlive it and all feeds.
class EnvironmentFeeds {
 public:
  struct Watch {
    std::unique_ptr<EnvironmentFeed> feed;
    // To be ended before the feed.
    std::unique_ptr<Subscription> subscription;
  };

  EnvironmentFeeds(EnvironmentStore* environments, ImageStore* images, WatchHub* hub)
      : environments_(environments), images_(images), hub_(hub) {}

  // `wake` is called when the feed may have something new, once at least; it must not block. Blocks
  // for the database.
  //   NOT_FOUND         no such environment.
  //   INVALID_ARGUMENT  `after_revision` is negative.
  //   OUT_OF_RANGE      it can't be continued from.
  absl::StatusOr<Watch> Open(const Tenant& tenant, const EnvironmentId& id, int64_t after_revision,
                             std::function<void()> wake);

 private:
  EnvironmentStore* const environments_;
  ImageStore* const images_;
  WatchHub* const hub_;
};

}  // namespace paddock
