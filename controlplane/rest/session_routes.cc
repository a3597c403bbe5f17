#include "controlplane/rest/session_routes.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/clock.h"
#include "common/errors.h"
#include "common/status_macros.h"
#include "controlplane/rest/query.h"
#include "controlplane/rest/session_json.h"
#include "controlplane/rest/status_stream.h"

namespace paddock {
namespace {

using OrderedJson = nlohmann::ordered_json;
using Answer = absl::StatusOr<OrderedJson>;

SessionId IdOf(const RestCall& call) { return SessionId(call.ids[0]); }

OrderedJson JsonNow(const Session& session) { return ToJson(session, Clock::Real()->Now()); }

SessionOperations::CreateCallback AnswerWith(RestReply reply) {
  return [reply = std::move(reply)](const absl::StatusOr<Session>& session) {
    if (!session.ok()) return reply(session.status());
    reply(JsonNow(*session));
  };
}

void Create(SessionOperations* sessions, const RestCall& call, RestReply reply) {
  absl::StatusOr<CreateSessionRequest> request = ReadBodyOf(call, &NewSessionRequest);
  if (!request.ok()) return reply(request.status());
  request->failed_image_is_error = true;
  sessions->Create(call.caller.tenant, *std::move(request), AnswerWith(std::move(reply)));
}

void Archive(SessionOperations* sessions, const RestCall& call, RestReply reply) {
  const absl::Status checked = CheckBare(call);
  if (!checked.ok()) return reply(checked);
  sessions->Archive(call.caller.tenant, IdOf(call), AnswerWith(std::move(reply)));
}

Answer List(SessionOperations* sessions, const RestCall& call) {
  PADDOCK_ASSIGN_OR_RETURN(const SessionListQuery list, ReadSessionList(call.target));
  Page<Session> found;
  if (!list.matches_none) {
    PADDOCK_ASSIGN_OR_RETURN(found, sessions->List(call.caller.tenant, list.request));
  }
  OrderedJson items = OrderedJson::array();
  for (const Session& session : found.items) items.push_back(JsonNow(session));
  OrderedJson json = ListJson(std::move(items), found.next_page_token);
  json["prev_page"] = nullptr;
  if (!found.prev_page_token.empty()) json["prev_page"] = found.prev_page_token;
  return json;
}

Answer Get(SessionOperations* sessions, const RestCall& call) {
  PADDOCK_RETURN_IF_ERROR(CheckNoQuery(call));
  PADDOCK_ASSIGN_OR_RETURN(const Session found, sessions->Get(call.caller.tenant, IdOf(call)));
  return JsonNow(found);
}

Answer Update(SessionOperations* sessions, const RestCall& call) {
  PADDOCK_ASSIGN_OR_RETURN(const SessionPatch patch, ReadBodyOf(call, &UpdateSessionPatch));
  PADDOCK_ASSIGN_OR_RETURN(const Session updated,
                           sessions->Update(call.caller.tenant, IdOf(call), patch));
  return JsonNow(updated);
}

Answer Delete(SessionOperations* sessions, const RestCall& call) {
  PADDOCK_RETURN_IF_ERROR(CheckBare(call));
  PADDOCK_RETURN_IF_ERROR(sessions->Delete(call.caller.tenant, IdOf(call)));
  return OrderedJson{{"id", call.ids[0]}, {"type", "session_deleted"}};
}

// --- Resources: there are none yet.

Answer ListResources(SessionOperations* sessions, const RestCall& call) {
  Violations violations;
  QueryReader query(call.target, &violations);
  query.Limit(kMaxPageSize);
  const std::string page = query.String("page").value_or("");
  query.RefuseTheRest();
  PADDOCK_RETURN_IF_ERROR(violations.ToStatus());
  if (!page.empty()) return errors::InvalidPageToken();
  PADDOCK_RETURN_IF_ERROR(sessions->Get(call.caller.tenant, IdOf(call)).status());
  return ListJson(OrderedJson::array(), "");
}

Answer RefuseResources(SessionOperations* sessions, const RestCall& call) {
  PADDOCK_RETURN_IF_ERROR(sessions->Get(call.caller.tenant, IdOf(call)).status());
  return errors::FieldNotSupported("resources",
                                   "files, repositories and memory stores aren't supported yet");
}

// --- Events

Answer SendEvents(SessionOperations* sessions, const RestCall& call) {
  PADDOCK_RETURN_IF_ERROR(sessions->Get(call.caller.tenant, IdOf(call)).status());
  return errors::NoModel("events");
}

struct EventQuery {
  std::vector<std::string> types;
  // Inclusive.
  absl::Time from = absl::InfinitePast();
  absl::Time until = absl::InfiniteFuture();
  bool descending = false;
  PageRequest page;
};

absl::StatusOr<EventQuery> ReadEventQuery(const Target& target) {
  Violations violations;
  QueryReader query(target, &violations);
  EventQuery events;
  events.types = query.Strings("types");
  const absl::Duration unit = absl::Nanoseconds(1);
  if (const auto time = query.Time("created_at[gt]")) events.from = *time + unit;
  if (const auto time = query.Time("created_at[gte]")) events.from = std::max(events.from, *time);
  if (const auto time = query.Time("created_at[lt]")) events.until = *time - unit;
  if (const auto time = query.Time("created_at[lte]")) {
    events.until = std::min(events.until, *time);
  }
  const std::string order = query.String("order").value_or("asc");
  if (order != "asc" && order != "desc") violations.Add("order", "must be asc or desc");
  events.descending = order == "desc";
  events.page = {query.Limit(kMaxPageSize), query.String("page").value_or("")};
  query.RefuseTheRest();
  PADDOCK_RETURN_IF_ERROR(violations.ToStatus());
  return events;
}

bool Fits(const EventQuery& query, const ShownEvent& event) {
  const auto& types = query.types;
  if (event.at < query.from || event.at > query.until) return false;
  return types.empty() || std::find(types.begin(), types.end(), event.type()) != types.end();
}

absl::StatusOr<std::vector<ShownEvent>> EventsOf(SessionOperations* sessions,
                                                 const RestCall& call) {
  PADDOCK_ASSIGN_OR_RETURN(const std::vector<SessionEvent> events,
                           sessions->Events(call.caller.tenant, IdOf(call), 0));
  // Read later, so that it knows why it ended if the events say that it did.
  PADDOCK_ASSIGN_OR_RETURN(const Session session, sessions->Get(call.caller.tenant, IdOf(call)));
  std::vector<ShownEvent> all;
  for (const SessionEvent& event : events) {
    for (ShownEvent& shown : ShownEvents(session, event)) all.push_back(std::move(shown));
  }
  return all;
}

Answer ListEvents(SessionOperations* sessions, const RestCall& call) {
  PADDOCK_ASSIGN_OR_RETURN(const EventQuery query, ReadEventQuery(call.target));
  const std::string scope =
      absl::StrCat("session_events/", call.ids[0], query.descending ? "/desc" : "/asc");
  PADDOCK_ASSIGN_OR_RETURN(const PageQuery page, ParsePageRequest(scope, query.page));
  PADDOCK_ASSIGN_OR_RETURN(std::vector<ShownEvent> events, EventsOf(sessions, call));
  if (query.descending) std::reverse(events.begin(), events.end());
  // A page begins behind the event that its token names.
  bool begun = page.after.empty();
  OrderedJson items = OrderedJson::array();
  std::string last;
  std::string next_page_token;
  for (ShownEvent& event : events) {
    const std::string id = event.json["id"];
    if (begun && Fits(query, event)) {
      if (static_cast<int>(items.size()) == page.limit) {
        next_page_token = MakePageToken(scope, last);
        break;
      }
      items.push_back(std::move(event.json));
      last = id;
    }
    begun |= id == page.after;
  }
  return ListJson(std::move(items), next_page_token);
}

absl::Status StreamEvents(SessionOperations* sessions, ThreadPool* pool, const RestCall& call,
                          const std::shared_ptr<EventSink>& sink) {
  Violations violations;
  QueryReader query(call.target, &violations);
  query.Strings("event_deltas");  // Previews of a model's words; there are none.
  query.RefuseTheRest();
  PADDOCK_RETURN_IF_ERROR(violations.ToStatus());
  auto stream = std::make_shared<StatusStream>(sessions, call.caller.tenant, IdOf(call),
                                               call.request_id, sink);
  PADDOCK_ASSIGN_OR_RETURN(std::unique_ptr<Subscription> subscription,
                           sessions->Watch(call.caller.tenant, IdOf(call), 0,
                                           [stream](const absl::StatusOr<Session>& session) {
                                             stream->OnSession(session);
                                           }));
  // Ending a subscription may wait for the hub, so the pool does it.
  sink->OnClosed([pool, subscription = std::move(subscription)]() mutable {
    pool->Schedule([ended = std::move(subscription)] {});
  });
  return absl::OkStatus();
}

}  // namespace

std::vector<Route> SessionRoutes(SessionOperations* sessions, ThreadPool* pool) {
  const auto bind = [sessions](Answer (*function)(SessionOperations*, const RestCall&)) {
    return [sessions, function](const RestCall& call) { return function(sessions, call); };
  };
  const auto bind_async =
      [sessions](void (*function)(SessionOperations*, const RestCall&, RestReply)) {
        return [sessions, function](const RestCall& call, RestReply reply) {
          function(sessions, call, std::move(reply));
        };
      };
  constexpr char kAll[] = "/v1/sessions";
  constexpr char kOne[] = "/v1/sessions/{}";
  constexpr char kResources[] = "/v1/sessions/{}/resources";
  constexpr char kResource[] = "/v1/sessions/{}/resources/{}";
  constexpr char kEvents[] = "/v1/sessions/{}/events";
  const auto stream = [sessions, pool](const RestCall& call,
                                       const std::shared_ptr<EventSink>& sink) {
    return StreamEvents(sessions, pool, call, sink);
  };
  return {MakeAsyncRoute("rest.CreateSession", "POST", kAll, bind_async(&Create)),
          MakeRoute("rest.ListSessions", "GET", kAll, bind(&List)),
          MakeRoute("rest.GetSession", "GET", kOne, bind(&Get)),
          MakeRoute("rest.UpdateSession", "POST", kOne, bind(&Update)),
          MakeRoute("rest.DeleteSession", "DELETE", kOne, bind(&Delete)),
          MakeAsyncRoute("rest.ArchiveSession", "POST", "/v1/sessions/{}/archive",
                         bind_async(&Archive)),
          MakeRoute("rest.ListResources", "GET", kResources, bind(&ListResources)),
          MakeRoute("rest.AddResource", "POST", kResources, bind(&RefuseResources)),
          MakeRoute("rest.GetResource", "GET", kResource, bind(&RefuseResources)),
          MakeRoute("rest.UpdateResource", "POST", kResource, bind(&RefuseResources)),
          MakeRoute("rest.DeleteResource", "DELETE", kResource, bind(&RefuseResources)),
          MakeRoute("rest.ListEvents", "GET", kEvents, bind(&ListEvents)),
          MakeRoute("rest.SendEvents", "POST", kEvents, bind(&SendEvents)),
          MakeStreamRoute("rest.StreamEvents", "GET", "/v1/sessions/{}/events/stream", stream)};
}

}  // namespace paddock
