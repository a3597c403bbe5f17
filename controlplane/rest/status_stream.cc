#include "controlplane/rest/status_stream.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/clock.h"
#include "common/ids.h"
#include "controlplane/rest/rest_error.h"
#include "controlplane/rest/rest_time.h"
#include "controlplane/rest/session_json.h"

namespace paddock {

std::string EventFrame(const std::string& type, const nlohmann::ordered_json& data) {
  // JSON without line breaks fits one line of data.
  return absl::StrCat("event: ", type, "\ndata: ",
                      data.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace),
                      "\n\n");
}

void StatusStream::OnSession(const absl::StatusOr<Session>& session) {
  if (!session.ok()) return End(session.status());
  const absl::StatusOr<std::vector<SessionEvent>> events = sessions_->Events(tenant_, id_, told_);
  if (!events.ok()) return End(events.status());
  if (events->empty()) return;
  // What was before the stream began is in the list.
  if (told_ == 0) return Tell(*session, events->back());
  for (const SessionEvent& event : *events) Tell(*session, event);
}

void StatusStream::Tell(Session session, const SessionEvent& event) {
  told_ = event.number;
  const bool ends = event.status == SessionStatusKind::kTerminated;
  if (ends && StatusKindOf(session) != SessionStatusKind::kTerminated) {
    // The event is newer; the session as it is now knows why.
    session = sessions_->Get(tenant_, id_).value_or(std::move(session));
  }
  for (const ShownEvent& shown : ShownEvents(session, event)) {
    sink_->Send(EventFrame(shown.type(), shown.json));
  }
  if (ends) sink_->End();
}

void StatusStream::End(const absl::Status& status) {
  if (absl::IsNotFound(status)) {
    const absl::string_view suffix = absl::StripPrefix(id_.value(), kSessionPrefix);
    sink_->Send(
        EventFrame("session.deleted", {{"id", absl::StrCat("sevt_", suffix, "_deleted")},
                                       {"type", "session.deleted"},
                                       {"processed_at", ToRestTime(Clock::Real()->Now())}}));
  } else {
    sink_->Send(EventFrame("error", ErrorJson(status, request_id_)));
  }
  sink_->End();
}

}  // namespace paddock
