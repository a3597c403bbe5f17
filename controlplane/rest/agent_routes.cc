#include "controlplane/rest/agent_routes.h"

#include <limits>

#include "common/status_macros.h"
#include "controlplane/rest/agent_json.h"
#include "controlplane/rest/query.h"

namespace paddock {
namespace {

using OrderedJson = nlohmann::ordered_json;
using Answer = absl::StatusOr<OrderedJson>;

constexpr int kMaxAgentsOnAPage = 100;

AgentId IdOf(const RestCall& call) { return AgentId(call.ids[0]); }

Answer PageJson(const Page<Agent>& page) {
  OrderedJson items = OrderedJson::array();
  for (const Agent& agent : page.items) items.push_back(ToJson(agent));
  return ListJson(std::move(items), page.next_page_token);
}

Answer Create(AgentOperations* agents, const RestCall& call) {
  PADDOCK_ASSIGN_OR_RETURN(const AgentPatch patch, ReadBodyOf(call, &NewAgentPatch));
  PADDOCK_ASSIGN_OR_RETURN(const Agent created,
                           agents->Create(call.caller.tenant, patch, Idempotency()));
  return ToJson(created);
}

Answer List(AgentOperations* agents, const RestCall& call) {
  Violations violations;
  QueryReader query(call.target, &violations);
  AgentFilter filter;
  filter.archived = query.IncludeArchived();
  filter.created_from = query.Time("created_at[gte]");
  filter.created_until = query.Time("created_at[lte]");
  const PageRequest page{query.Limit(kMaxAgentsOnAPage), query.String("page").value_or("")};
  query.RefuseTheRest();
  PADDOCK_RETURN_IF_ERROR(violations.ToStatus());
  PADDOCK_ASSIGN_OR_RETURN(const Page<Agent> found, agents->List(call.caller.tenant, page, filter));
  return PageJson(found);
}

Answer Get(AgentOperations* agents, const RestCall& call) {
  Violations violations;
  QueryReader query(call.target, &violations);
  const int64_t version =
      query.Integer("version", 1, std::numeric_limits<int64_t>::max()).value_or(0);
  query.RefuseTheRest();
  PADDOCK_RETURN_IF_ERROR(violations.ToStatus());
  PADDOCK_ASSIGN_OR_RETURN(const Agent found, agents->Get(call.caller.tenant, IdOf(call), version));
  return ToJson(found);
}

Answer ListVersions(AgentOperations* agents, const RestCall& call) {
  Violations violations;
  QueryReader query(call.target, &violations);
  const PageRequest page{query.Limit(kMaxAgentsOnAPage), query.String("page").value_or("")};
  query.RefuseTheRest();
  PADDOCK_RETURN_IF_ERROR(violations.ToStatus());
  PADDOCK_ASSIGN_OR_RETURN(const Page<Agent> found,
                           agents->ListVersions(call.caller.tenant, IdOf(call), page));
  return PageJson(found);
}

Answer Update(AgentOperations* agents, const RestCall& call) {
  PADDOCK_ASSIGN_OR_RETURN(const AgentUpdate update, ReadBodyOf(call, &UpdateAgentPatch));
  PADDOCK_ASSIGN_OR_RETURN(const Agent updated, agents->Update(call.caller.tenant, IdOf(call),
                                                               update.version, update.patch));
  return ToJson(updated);
}

}  // namespace

std::vector<Route> AgentRoutes(AgentOperations* agents) {
  const auto bind = [agents](Answer (*function)(AgentOperations*, const RestCall&)) {
    return [agents, function](const RestCall& call) { return function(agents, call); };
  };
  constexpr char kAll[] = "/v1/agents";
  constexpr char kOne[] = "/v1/agents/{}";
  return {
      MakeRoute("rest.CreateAgent", "POST", kAll, bind(&Create)),
      MakeRoute("rest.ListAgents", "GET", kAll, bind(&List)),
      MakeRoute("rest.GetAgent", "GET", kOne, bind(&Get)),
      MakeRoute("rest.UpdateAgent", "POST", kOne, bind(&Update)),
      MakeRoute("rest.ArchiveAgent", "POST", "/v1/agents/{}/archive", Archiving<AgentId>(agents)),
      MakeRoute("rest.ListAgentVersions", "GET", "/v1/agents/{}/versions", bind(&ListVersions))};
}

}  // namespace paddock
