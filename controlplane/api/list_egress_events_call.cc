#include "controlplane/api/list_egress_events_call.h"

#include <grpcpp/client_context.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/errors.h"
#include "common/status_macros.h"

namespace paddock {
namespace {

constexpr std::chrono::seconds kLongest(30);

struct Call {
  NodeRoute route;
  std::string scope;
  grpc::ClientContext context;
  internal::v1::NodeListEgressEventsRequest request;
  internal::v1::NodeListEgressEventsResponse response;
};

v1::ListEgressEventsResponse Answer(Call* call) {
  v1::ListEgressEventsResponse response;
  int64_t last = 0;
  for (internal::v1::NodeEgressEvent& event : *call->response.mutable_events()) {
    last = event.sequence();
    *response.add_events() = std::move(*event.mutable_event());
  }
  if (call->response.more() && last > 0) {
    response.set_next_page_token(
        MakePageToken(call->scope, absl::StrCat(call->route.generation, ".", last)));
  }
  return response;
}

}  // namespace

absl::StatusOr<EgressPageQuery> ParseEgressPage(const Tenant& tenant,
                                                const v1::ListEgressEventsRequest& request) {
  EgressPageQuery query;
  query.scope = absl::StrCat("egress\n", tenant.organization, "\n", tenant.workspace, "\n",
                             request.session_id());
  PADDOCK_ASSIGN_OR_RETURN(
      const PageQuery page,
      ParsePageRequest(query.scope, {request.page_size(), request.page_token()}));
  query.limit = page.limit;
  if (page.after.empty()) return query;
  const std::vector<absl::string_view> parts = absl::StrSplit(page.after, '.');
  if (parts.size() != 2 || !absl::SimpleAtoi(parts[0], &query.generation) ||
      !absl::SimpleAtoi(parts[1], &query.before_sequence) || query.before_sequence < 1) {
    return errors::InvalidPageToken();
  }
  return query;
}

void ListEgressEventsOnNode(NodeRoute route, std::chrono::system_clock::time_point deadline,
                            const std::string& session_id, const EgressPageQuery& query,
                            AsyncCall<v1::ListEgressEventsResponse>::Done done) {
  if (query.generation != 0 && query.generation != route.generation) {
    return done(v1::ListEgressEventsResponse());
  }
  auto call = std::make_shared<Call>();
  call->route = std::move(route);
  call->scope = query.scope;
  call->context.set_deadline(std::min(deadline, std::chrono::system_clock::now() + kLongest));
  call->request.set_session_id(session_id);
  call->request.set_generation(call->route.generation);
  call->request.set_before_sequence(query.before_sequence);
  call->request.set_limit(query.limit);
  call->route.stub->async()->ListEgressEvents(
      &call->context, &call->request, &call->response,
      [call, done = std::move(done)](const grpc::Status& status) {
        if (!status.ok()) return done(FromNode(status, call->route.node.id));
        done(Answer(call.get()));
      });
}

}  // namespace paddock
