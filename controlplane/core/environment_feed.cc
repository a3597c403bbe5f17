#include "controlplane/core/environment_feed.h"

#include <algorithm>
#include <utility>

#include "common/errors.h"
#include "common/status_macros.h"

namespace paddock {
namespace {

constexpr int kLinesAtOnce = 500;

}  // namespace

absl::StatusOr<EnvironmentFeed::Part> EnvironmentFeed::Next() {
  PADDOCK_ASSIGN_OR_RETURN(Environment now, environments_->Get(tenant_, id_));
  Part part;
  // The lines of a build are stored before the state that ends it, and read after it.
  const bool state_first = first_;
  if (state_first && now.revision > revision_) part.events.emplace_back(now);
  PADDOCK_RETURN_IF_ERROR(ReadLogs(now.image, &part));
  first_ = false;
  if (!state_first && !part.more && now.revision > revision_) part.events.emplace_back(now);
  if (state_first || !part.more) revision_ = std::max<int64_t>(revision_, now.revision);
  return part;
}

absl::Status EnvironmentFeed::ReadLogs(const EnvironmentImage& image, Part* part) {
  if (image.generation != generation_) {
    generation_ = image.generation;
    build_ = 0;
    line_ = 0;
  }
  while (build_ < image.builds.size()) {
    const BuildReference& build = image.builds[build_];
    PADDOCK_ASSIGN_OR_RETURN(const ImageStore::LogPart log,
                             images_->ReadLog(build.build_id, line_, kLinesAtOnce));
    for (const std::string& line : log.lines) {
      part->events.emplace_back(BuildLogLine{build.manager, line});
    }
    line_ = log.last;
    part->more = log.more;
    if (log.more) return absl::OkStatus();
    // More lines can only come to the newest build.
    if (build_ + 1 == image.builds.size()) return absl::OkStatus();
    ++build_;
    line_ = 0;
  }
  return absl::OkStatus();
}

absl::StatusOr<EnvironmentFeeds::Watch> EnvironmentFeeds::Open(const Tenant& tenant,
                                                               const EnvironmentId& id,
                                                               int64_t after_revision,
                                                               std::function<void()> wake) {
  if (!IsWellFormedId(kEnvironmentPrefix, id.value())) {
    return errors::EnvironmentNotFound(id.value());
  }
  if (after_revision < 0) return errors::InvalidField("after_revision", "must not be negative");
  PADDOCK_ASSIGN_OR_RETURN(const Environment now, environments_->Get(tenant, id));
  if (after_revision > now.revision) return errors::RevisionTooOld(after_revision);
  Watch watch;
  watch.feed =
      std::make_unique<EnvironmentFeed>(environments_, images_, tenant, id, after_revision);
  const EnvironmentFeed* feed = watch.feed.get();
  watch.subscription = hub_->Subscribe(WatchKind::kEnvironment, id.value(), after_revision,
                                       [feed, wake = std::move(wake)](int64_t) {
                                         wake();
                                         return feed->revision();
                                       });
  return watch;
}

}  // namespace paddock
