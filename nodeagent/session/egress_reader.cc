#include "nodeagent/session/egress_reader.h"

#include <utility>

#include "common/status_macros.h"

namespace paddock::nodeagent {
namespace {

// Of one question to the gateway process, whose answers are bounded.
constexpr int kPage = 500;

EgressPage PageAfter(std::vector<EgressEvent> events, int64_t after_sequence, int limit) {
  EgressPage page;
  for (EgressEvent& event : events) {
    if (event.sequence <= after_sequence) continue;
    page.more = static_cast<int>(page.events.size()) >= limit;
    if (page.more) break;
    page.events.push_back(std::move(event));
  }
  return page;
}

}  // namespace

absl::StatusOr<std::vector<EgressEvent>> ReadAllEgress(GatewayClient* gateway,
                                                       const std::string& session_id) {
  std::vector<EgressEvent> events;
  bool more = true;
  while (more) {
    const int64_t after = events.empty() ? 0 : events.back().sequence;
    PADDOCK_ASSIGN_OR_RETURN(EgressPage page, gateway->ListEgress(session_id, after, kPage));
    more = page.more && !page.events.empty();
    for (EgressEvent& event : page.events) events.push_back(std::move(event));
  }
  return events;
}

absl::StatusOr<EgressReader::Part> EgressReader::ReadAfter(const std::string& session_id,
                                                           int64_t generation,
                                                           int64_t after_sequence,
                                                           int limit) const {
  // The phase first: what the gateway no longer has after it, the archive has.
  const std::optional<SessionPhase> phase = manager_->PhaseOf(session_id, generation);
  Part part;
  if (phase.has_value()) {
    absl::StatusOr<EgressPage> page = gateway_->ListEgress(session_id, after_sequence, limit);
    if (page.ok()) {
      part.page = *std::move(page);
      return part;
    }
    if (!absl::IsNotFound(page.status())) return page.status();
    // Not yet there, or there again in a moment.
    if (*phase == SessionPhase::kStarting || *phase == SessionPhase::kRunning) return part;
  }
  PADDOCK_ASSIGN_OR_RETURN(std::vector<EgressEvent> events, archive_->Load(session_id, generation));
  part.page = PageAfter(std::move(events), after_sequence, limit);
  part.ended = true;
  return part;
}

absl::StatusOr<EgressPage> EgressReader::ReadBefore(const std::string& session_id,
                                                    int64_t generation, int64_t before_sequence,
                                                    int limit) const {
  const bool here = manager_->PhaseOf(session_id, generation).has_value();
  absl::StatusOr<std::vector<EgressEvent>> events = absl::NotFoundError("not here");
  if (here) events = ReadAllEgress(gateway_, session_id);
  if (absl::IsNotFound(events.status())) events = archive_->Load(session_id, generation);
  PADDOCK_RETURN_IF_ERROR(events.status());
  EgressPage page;
  for (auto event = events->rbegin(); event != events->rend(); ++event) {
    if (before_sequence > 0 && event->sequence >= before_sequence) continue;
    page.more = static_cast<int>(page.events.size()) >= limit;
    if (page.more) break;
    page.events.push_back(std::move(*event));
  }
  return page;
}

}  // namespace paddock::nodeagent
