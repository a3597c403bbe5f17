#include "nodeagent/session/egress_feed.h"

#include <utility>

namespace paddock::nodeagent {
namespace {

constexpr int kThreads = 2;
// At once to one watcher, which holds them in memory.
constexpr int kBatch = 500;

}  // namespace

EgressFeed::EgressFeed(const EgressReader* reader, absl::Duration interval)
    : reader_(reader), interval_(interval), executor_(kThreads) {}

void EgressFeed::List(const std::string& session_id, int64_t generation, int64_t before_sequence,
                      int limit, ListDone done) {
  executor_.Post(session_id,
                 [this, session_id, generation, before_sequence, limit, done = std::move(done)] {
                   done(reader_->ReadBefore(session_id, generation, before_sequence, limit));
                 });
}

void EgressFeed::Watch(const std::string& session_id, int64_t generation, int64_t after_sequence,
                       std::weak_ptr<EgressWatcher> watcher) {
  auto following = std::make_shared<Following>(
      Following{session_id, generation, after_sequence, std::move(watcher)});
  executor_.Post(session_id, [this, following] { Look(following); });
}

void EgressFeed::Look(const std::shared_ptr<Following>& following) {
  const std::shared_ptr<EgressWatcher> watcher = following->watcher.lock();
  if (watcher == nullptr) return;
  const std::optional<bool> more = Tell(following.get(), watcher.get());
  if (!more.has_value()) return;
  auto again = [this, following] { Look(following); };
  if (*more) {
    executor_.Post(following->session_id, std::move(again));
  } else {
    executor_.PostAfter(interval_, following->session_id, std::move(again));
  }
}

std::optional<bool> EgressFeed::Tell(Following* following, EgressWatcher* watcher) {
  if (!watcher->Ready()) return false;
  absl::StatusOr<EgressReader::Part> part = reader_->ReadAfter(
      following->session_id, following->generation, following->after_sequence, kBatch);
  // A gateway process that was killed is back within a second.
  if (!part.ok()) return false;
  if (!part->page.events.empty()) {
    following->after_sequence = part->page.events.back().sequence;
    watcher->OnEvents(std::move(part->page.events));
    // A watcher that is still busy with them is looked at later.
    return part->page.more && watcher->Ready();
  }
  if (!part->ended) return false;
  watcher->OnEnd(absl::OkStatus());
  return std::nullopt;
}

}  // namespace paddock::nodeagent
