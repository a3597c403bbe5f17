#include "controlplane/rest/rest_service.h"

#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/clock.h"
#include "common/error_details.h"
#include "common/errors.h"
#include "common/ids.h"
#include "common/log.h"
#include "common/status_macros.h"
#include "controlplane/rest/rest_error.h"

namespace paddock {
namespace {

constexpr absl::Duration kRetryAfter = absl::Seconds(1);
constexpr char kRequestId[] = "request-id";

std::string NewRequestId() { return NewId("req_", Clock::Real()->Now()); }

std::string Write(const nlohmann::ordered_json& json) {
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

bool IsOurFault(absl::StatusCode code) {
  return code == absl::StatusCode::kInternal || code == absl::StatusCode::kUnknown ||
         code == absl::StatusCode::kDataLoss;
}

// Whether `path` is what `pattern` stands for.
bool Fits(const std::vector<std::string>& pattern, const std::vector<std::string>& path) {
  if (pattern.size() != path.size()) return false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == "{}" ? path[i].empty() : pattern[i] != path[i]) return false;
  }
  return true;
}

bool IsProbe(const Target& target) {
  return target.path.size() == 1 && (target.path[0] == "healthz" || target.path[0] == "readyz");
}

}  // namespace

// One request from its arrival to its answer. Shared by whoever may answer.
class RestService::Exchange {
 public:
  Exchange(RpcMetrics* metrics, const Route& route, std::shared_ptr<Responder> responder)
      : metrics_(metrics),
        name_(route.name),
        responder_(std::move(responder)),
        request_id_(NewRequestId()),
        begin_(Clock::Real()->Monotonic()) {
    metrics_->Started(name_);
  }

  void Reply(const absl::StatusOr<nlohmann::ordered_json>& result) {
    Finish(result.status());
    HttpAnswer answer;
    if (result.ok()) {
      answer.body = Write(*result);
    } else {
      answer = ErrorAnswer(result.status(), request_id_);
    }
    answer.headers.emplace_back(kRequestId, request_id_);
    responder_->Answer(std::move(answer));
  }

  const std::string& request_id() const { return request_id_; }
  std::shared_ptr<EventSink> Events() { return responder_->Events(); }
  HttpAnswer StreamHead() const {
    HttpAnswer head;
    head.content_type = "text/event-stream";
    head.headers = {{"cache-control", "no-cache"}, {kRequestId, request_id_}};
    return head;
  }

  // Counts and logs the end.
  void Finish(const absl::Status& status) {
    const absl::Duration took = Clock::Real()->Monotonic() - begin_;
    metrics_->Finished(name_, status.code(), took);
    if (status.ok()) {
      // Users quote the id of any answer.
      LogInfo("REST call", {{"method", name_},
                            {"request_id", request_id_},
                            {"ms", absl::ToDoubleMilliseconds(took)}});
      return;
    }
    const std::optional<ErrorReason> reason = ReasonOf(errors::ForUser(status));
    Log(IsOurFault(status.code()) ? LogLevel::kError : LogLevel::kInfo, "REST call failed",
        {{"method", name_},
         {"request_id", request_id_},
         {"reason", TraitsOf(reason.value_or(ErrorReason::kInternal)).name},
         {"error", status.message()}});
  }

 private:
  RpcMetrics* const metrics_;
  const char* const name_;
  const std::shared_ptr<Responder> responder_;
  const std::string request_id_;
  const absl::Duration begin_;
};

RestService::RestService(Authenticator* authenticator, ThreadPool* pool, RpcMetrics* metrics,
                         std::vector<Route> routes)
    : authenticator_(authenticator), pool_(pool), metrics_(metrics), routes_(std::move(routes)) {}

void RestService::Handle(HttpRequest request, std::shared_ptr<Responder> responder) {
  absl::StatusOr<Target> target = Target::Parse(request.target);
  if (!target.ok()) return responder->Answer(Refuse(target.status()));
  // The connection leaves out the body of an answer to HEAD.
  if (IsProbe(*target) && (request.method == "GET" || request.method == "HEAD")) {
    return responder->Answer(Probe(target->path[0] == "healthz" || ready_));
  }
  absl::StatusOr<Match> match = FindRoute(request.method, *target);
  if (!match.ok()) {
    HttpAnswer answer = Refuse(match.status());
    const std::string methods = MethodsAt(*target);
    if (!methods.empty()) answer.headers.emplace_back("allow", methods);
    return responder->Answer(std::move(answer));
  }
  auto exchange = std::make_shared<Exchange>(metrics_, *match->route, std::move(responder));
  const bool queued =
      pool_->TrySchedule([this, exchange, route = match->route, ids = std::move(match->ids),
                          target = *std::move(target), request = std::move(request)]() mutable {
        absl::StatusOr<Principal> caller = Authenticate(request);
        if (!caller.ok()) return exchange->Reply(caller.status());
        Run(*route,
            {*std::move(caller), std::move(ids), std::move(target), std::move(request.body),
             exchange->request_id()},
            exchange);
      });
  if (!queued) exchange->Reply(errors::Overloaded("the control plane", kRetryAfter));
}

void RestService::Run(const Route& route, const RestCall& call,
                      const std::shared_ptr<Exchange>& exchange) {
  if (route.handler != nullptr) {
    route.handler(call, [exchange](const absl::StatusOr<nlohmann::ordered_json>& result) {
      exchange->Reply(result);
    });
    return;
  }
  const std::shared_ptr<EventSink> sink = exchange->Events();
  const absl::Status status = route.stream(call, sink);
  if (!status.ok()) return exchange->Reply(status);
  sink->OnClosed([exchange] { exchange->Finish(absl::OkStatus()); });
  sink->Start(exchange->StreamHead());
}

HttpAnswer RestService::Refuse(const absl::Status& status) {
  const std::string request_id = NewRequestId();
  LogInfo("REST request refused", {{"request_id", request_id}, {"error", status.message()}});
  HttpAnswer answer = ErrorAnswer(status, request_id);
  answer.headers.emplace_back(kRequestId, request_id);
  return answer;
}

HttpAnswer RestService::Probe(bool good) {
  if (!good) return Refuse(errors::Unavailable("this replica isn't ready"));
  HttpAnswer answer;
  answer.body = R"({"status":"ok"})";
  answer.headers.emplace_back(kRequestId, NewRequestId());
  return answer;
}

std::string RestService::MethodsAt(const Target& target) const {
  if (IsProbe(target)) return "GET, HEAD";
  std::set<std::string> methods;
  for (const Route& route : routes_) {
    if (Fits(route.path, target.path)) methods.insert(route.method);
  }
  return absl::StrJoin(methods, ", ");
}

absl::StatusOr<RestService::Match> RestService::FindRoute(const std::string& method,
                                                          const Target& target) const {
  for (const Route& route : routes_) {
    if (!Fits(route.path, target.path)) continue;
    if (route.method != method) continue;
    Match match;
    match.route = &route;
    for (size_t i = 0; i < route.path.size(); ++i) {
      if (route.path[i] == "{}") match.ids.push_back(target.path[i]);
    }
    return match;
  }
  const std::string path = absl::StrCat("/", absl::StrJoin(target.path, "/"));
  if (!MethodsAt(target).empty()) return errors::HttpMethodNotAllowed(method, path);
  return errors::RouteNotFound(path);
}

absl::StatusOr<Principal> RestService::Authenticate(const HttpRequest& request) {
  PADDOCK_ASSIGN_OR_RETURN(Principal caller, authenticator_->Authenticate(request.credentials));
  if (!request.workspace.empty() && request.workspace != caller.tenant.workspace) {
    return errors::WorkspaceMismatch(request.workspace);
  }
  return caller;
}

}  // namespace paddock
