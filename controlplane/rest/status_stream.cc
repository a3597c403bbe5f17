#include "controlplane/rest/status_stream.h"

#include <utility>

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
  if (absl::IsNotFound(session.status())) {
    const std::string suffix(absl::StripPrefix(id_.value(), kSessionPrefix));
    sink_->Send(
        EventFrame("session.deleted", {{"id", absl::StrCat("sevt_", suffix, "_deleted")},
                                       {"type", "session.deleted"},
                                       {"processed_at", ToRestTime(Clock::Real()->Now())}}));
    return sink_->End();
  }
  if (!session.ok()) {
    sink_->Send(EventFrame("error", ErrorJson(session.status(), "")));
    return sink_->End();
  }
  SessionEvent event = EventsOf(*session).back();
  if (told_ == event.status) return;
  if (told_.has_value() && event.status == SessionStatusKind::kIdle) {
    // It runs again elsewhere; the record's first event is of its creation.
    absl::StrAppend(&event.id, "_", session->generation);
    event.at = session->updated_at;
  }
  told_ = event.status;
  sink_->Send(EventFrame(EventType(event), ToJson(event)));
  if (event.status == SessionStatusKind::kTerminated) sink_->End();
}

}  // namespace paddock
