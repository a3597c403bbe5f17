#pragma once

#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "controlplane/core/resources.h"
#include "controlplane/core/session_events.h"
#include "controlplane/core/sessions.h"
#include "controlplane/rest/http_message.h"
#include "nlohmann/json.hpp"

namespace paddock {

// One frame of `text/event-stream`.
std::string EventFrame(const std::string& type, const nlohmann::ordered_json& data);

// Turns what a watch tells of one session into its events: the status now, then each change; the
// last is the end of the session (with the reason before it when it failed), or that it was
// deleted. Called one call at a time; blocks for the database. `sessions` must outlive it.
class StatusStream {
 public:
  StatusStream(SessionOperations* sessions, Tenant tenant, SessionId id, std::string request_id,
               std::shared_ptr<EventSink> sink)
      : sessions_(sessions),
        tenant_(std::move(tenant)),
        id_(std::move(id)),
        request_id_(std::move(request_id)),
        sink_(std::move(sink)) {}

  void OnSession(const absl::StatusOr<Session>& session);

 private:
  void Tell(Session session, const SessionEvent& event);
  void End(const absl::Status& status);

  SessionOperations* const sessions_;
  const Tenant tenant_;
  const SessionId id_;
  const std::string request_id_;  // Of the request that opened the stream.
  const std::shared_ptr<EventSink> sink_;
  int64_t told_ = 0;  // The number of the last event that was told.
};

}  // namespace paddock
