#include "nodeagent/egress/egress_log.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/status_macros.h"
#include "nodeagent/egress/gateway_json.h"
#include "nodeagent/system/append_file.h"
#include "nodeagent/system/file.h"
#include "nodeagent/system/replace_file.h"

namespace paddock::nodeagent {
namespace {

constexpr double kEventsPerSecond = 50;
constexpr absl::Duration kAlike = absl::Seconds(1);
constexpr size_t kMaxText = 1024;
// More than a process can have added between two calls of Flush.
constexpr int64_t kSequenceGap = 100'000;

std::string Line(const EgressEvent& event) {
  return ToJson(event).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace

absl::StatusOr<EgressLog> EgressLog::Load(std::string path, Clock* clock) {
  EgressLog log(std::move(path), clock);
  absl::StatusOr<std::string> text = ReadFile(log.path_);
  if (!text.ok() && !absl::IsNotFound(text.status())) return text.status();
  for (absl::string_view line : absl::StrSplit(text.value_or(""), '\n', absl::SkipEmpty())) {
    ++log.lines_;
    absl::StatusOr<nlohmann::json> json = ParseJsonObject(line);
    if (!json.ok()) continue;  // The last one may be torn.
    absl::StatusOr<EgressEvent> event = EventFromJson(*json);
    if (!event.ok() || event->sequence < log.next_) continue;
    log.next_ = event->sequence + 1;
    log.events_.push_back(*std::move(event));
    if (log.events_.size() > kMaxEvents) log.events_.pop_front();
  }
  log.next_ += kSequenceGap;
  log.written_ = log.next_ - 1;
  return log;
}

bool EgressLog::Admit(absl::Duration now) {
  tokens_ =
      std::min(kBurst, tokens_ + kEventsPerSecond * absl::ToDoubleSeconds(now - last_refill_));
  last_refill_ = now;
  if (tokens_ < 1) return false;
  tokens_ -= 1;
  return true;
}

bool EgressLog::IsRepeated(const EgressEvent& event) {
  absl::Duration now = clock_->Monotonic();
  if (recent_.size() >= kMaxRecent) recent_.clear();
  std::string key =
      absl::StrCat(event.protocol, " ", event.name.substr(0, kMaxText), " ", event.address, " ",
                   event.port, " ", absl::string_view(event.reason).substr(0, kMaxText));
  auto [last, fresh] = recent_.emplace(std::move(key), now);
  if (!fresh && now - last->second < kAlike) return true;
  last->second = now;
  return false;
}

void EgressLog::AddUnlessAlike(EgressEvent event) {
  if (!IsRepeated(event)) Add(std::move(event));
}

void EgressLog::Add(EgressEvent event) {
  if (!Admit(clock_->Monotonic())) {
    ++left_out_;
    return;
  }
  if (left_out_ > 0) {
    EgressEvent gap;
    gap.reason = absl::StrCat(left_out_, " more events were left out: too many at once");
    left_out_ = 0;
    Append(std::move(gap));
  }
  Append(std::move(event));
}

void EgressLog::Append(EgressEvent event) {
  event.sequence = next_++;
  event.time = clock_->Now();
  if (event.name.size() > kMaxText) event.name.resize(kMaxText);
  if (event.reason.size() > kMaxText) event.reason.resize(kMaxText);
  events_.push_back(std::move(event));
  if (events_.size() > kMaxEvents) events_.pop_front();
}

EgressPage EgressLog::After(int64_t after_sequence, int limit) const {
  EgressPage page;
  auto first = std::upper_bound(
      events_.begin(), events_.end(), after_sequence,
      [](int64_t sequence, const EgressEvent& event) { return sequence < event.sequence; });
  for (; first != events_.end(); ++first) {
    page.more = static_cast<int>(page.events.size()) >= limit;
    if (page.more) break;
    page.events.push_back(*first);
  }
  return page;
}

absl::Status EgressLog::Flush() {
  if (!dirty()) return absl::OkStatus();
  std::string fresh;
  size_t count = 0;
  for (const EgressEvent& event : events_) {
    if (event.sequence <= written_) continue;
    fresh += Line(event);
    ++count;
  }
  if (lines_ + count > 2 * kMaxEvents) {
    std::string all;
    for (const EgressEvent& event : events_) all += Line(event);
    PADDOCK_RETURN_IF_ERROR(ReplaceFile(path_, all));
    lines_ = events_.size();
  } else {
    PADDOCK_ASSIGN_OR_RETURN(UniqueFd file, OpenForAppend(path_));
    PADDOCK_RETURN_IF_ERROR(WriteAll(file.get(), fresh));
    lines_ += count;
  }
  written_ = next_ - 1;
  return absl::OkStatus();
}

}  // namespace paddock::nodeagent
