#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "controlplane/core/resources.h"
#include "controlplane/core/session_events.h"
#include "controlplane/rest/http_message.h"
#include "nlohmann/json.hpp"

namespace paddock {

// One frame of `text/event-stream`.
std::string EventFrame(const std::string& type, const nlohmann::ordered_json& data);

// Turns what a watch tells of one session into its events: the status now, then each change; the
// last is the end of the session, or that it was deleted. Called one call at a time.
class StatusStream {
 public:
  StatusStream(SessionId id, std::shared_ptr<EventSink> sink)
      : id_(std::move(id)), sink_(std::move(sink)) {}

  void OnSession(const absl::StatusOr<Session>& session);

 private:
  const SessionId id_;
  const std::shared_ptr<EventSink> sink_;
  std::optional<SessionStatusKind> told_;
};

}  // namespace paddock
