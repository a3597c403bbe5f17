#include "controlplane/rest/route.h"

#include "absl/strings/str_split.h"
#include "common/errors.h"
#include "controlplane/core/object_reader.h"

namespace paddock {

Route MakeRoute(const char* name, const char* method, const char* path, Answering answering) {
  return MakeAsyncRoute(
      name, method, path,
      [answering = std::move(answering)](const RestCall& call, const RestReply& reply) {
        reply(answering(call));
      });
}

Route MakeAsyncRoute(const char* name, const char* method, const char* path,
                     std::function<void(const RestCall& call, RestReply reply)> handler) {
  Route route;
  route.name = name;
  route.method = method;
  route.path = absl::StrSplit(absl::string_view(path).substr(1), '/');
  route.handler = std::move(handler);
  return route;
}

Route MakeStreamRoute(
    const char* name, const char* method, const char* path,
    std::function<absl::Status(const RestCall& call, const std::shared_ptr<EventSink>& sink)>
        stream) {
  Route route = MakeAsyncRoute(name, method, path, nullptr);
  route.stream = std::move(stream);
  return route;
}

absl::Status CheckBare(const RestCall& call) {
  PADDOCK_RETURN_IF_ERROR(CheckNoQuery(call));
  if (call.body.empty()) return absl::OkStatus();
  PADDOCK_ASSIGN_OR_RETURN(const nlohmann::json body, ParseJsonBody(call.body));
  Violations violations;
  ObjectReader("", body, &violations).RefuseTheRest();
  return violations.ToStatus();
}

absl::Status CheckNoQuery(const RestCall& call) {
  Violations violations;
  QueryReader(call.target, &violations).RefuseTheRest();
  return violations.ToStatus();
}

nlohmann::ordered_json ListJson(nlohmann::ordered_json items, const std::string& next_page_token) {
  nlohmann::ordered_json list = {{"data", std::move(items)}, {"next_page", nullptr}};
  if (!next_page_token.empty()) list["next_page"] = next_page_token;
  return list;
}

}  // namespace paddock
