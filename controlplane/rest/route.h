#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/status_macros.h"
#include "controlplane/core/resources.h"
#include "controlplane/rest/http_message.h"
#include "controlplane/rest/json_body.h"
#include "controlplane/rest/query.h"
#include "nlohmann/json.hpp"

namespace paddock {

// One request whose caller is known.
struct RestCall {
  Principal caller;
  std::vector<std::string> ids;  // What stands for `{}` in the route's path.
  Target target;
  std::string body;
  std::string request_id;  // What its answer is quoted by.
};

// Called once, on any thread.
using RestReply = std::function<void(absl::StatusOr<nlohmann::ordered_json>)>;

// Something that can be done at one path. Handlers run on the pool and may block there.
struct Route {
  // Counted under this name; a literal.
  const char* name = "";
  std::string method;
  std::vector<std::string> path;  // Segments; `{}` stands for any.
  // One of the two.
  std::function<void(const RestCall& call, RestReply reply)> handler;
  // OK: the caller starts the sink.
  std::function<absl::Status(const RestCall& call, const std::shared_ptr<EventSink>& sink)> stream;
};

// A handler that answers before it returns.
using Answering = std::function<absl::StatusOr<nlohmann::ordered_json>(const RestCall& call)>;

// `path` such as `/v1/agents/{}`.
Route MakeRoute(const char* name, const char* method, const char* path, Answering answering);
Route MakeAsyncRoute(const char* name, const char* method, const char* path,
                     std::function<void(const RestCall& call, RestReply reply)> handler);

Route MakeStreamRoute(
    const char* name, const char* method, const char* path,
    std::function<absl::Status(const RestCall& call, const std::shared_ptr<EventSink>& sink)>
        stream);

// INVALID_ARGUMENT naming each of the query's parameters: for calls that take none.
absl::Status CheckNoQuery(const RestCall& call);

// INVALID_ARGUMENT unless there are no parameters and the body is empty or an empty object.
absl::Status CheckBare(const RestCall& call);

// What `read` makes of the JSON body of a call without parameters; INVALID_ARGUMENT.
template <typename Read>
auto ReadBodyOf(const RestCall& call, Read read) -> decltype(read(nlohmann::json())) {
  PADDOCK_RETURN_IF_ERROR(CheckNoQuery(call));
  PADDOCK_ASSIGN_OR_RETURN(const nlohmann::json body, ParseJsonBody(call.body));
  return read(body);
}

// Archives what a path's id names.
template <typename Id, typename Operations>
Answering Archiving(Operations* operations) {
  return [operations](const RestCall& call) -> absl::StatusOr<nlohmann::ordered_json> {
    PADDOCK_RETURN_IF_ERROR(CheckBare(call));
    PADDOCK_ASSIGN_OR_RETURN(const auto archived,
                             operations->Archive(call.caller.tenant, Id(call.ids[0])));
    return ToJson(archived);
  };
}

// `{"data": […], "next_page": …}` of items that ToJson knows.
nlohmann::ordered_json ListJson(nlohmann::ordered_json items, const std::string& next_page_token);

}  // namespace paddock
