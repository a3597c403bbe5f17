#include "controlplane/rest/environment_routes.h"

#include "common/status_macros.h"
#include "controlplane/rest/environment_json.h"
#include "controlplane/rest/query.h"

namespace paddock {
namespace {

using OrderedJson = nlohmann::ordered_json;
using Answer = absl::StatusOr<OrderedJson>;

EnvironmentId IdOf(const RestCall& call) { return EnvironmentId(call.ids[0]); }

Answer Create(EnvironmentOperations* environments, const RestCall& call) {
  PADDOCK_ASSIGN_OR_RETURN(const EnvironmentPatch patch, ReadBodyOf(call, &NewEnvironmentPatch));
  PADDOCK_ASSIGN_OR_RETURN(const Environment created,
                           environments->Create(call.caller.tenant, patch, Idempotency()));
  return ToJson(created);
}

Answer List(EnvironmentOperations* environments, const RestCall& call) {
  Violations violations;
  QueryReader query(call.target, &violations);
  const Archived archived = query.IncludeArchived();
  const PageRequest page{query.Limit(kMaxPageSize), query.String("page").value_or("")};
  query.RefuseTheRest();
  PADDOCK_RETURN_IF_ERROR(violations.ToStatus());
  PADDOCK_ASSIGN_OR_RETURN(const Page<Environment> found,
                           environments->List(call.caller.tenant, page, archived));
  OrderedJson items = OrderedJson::array();
  for (const Environment& environment : found.items) items.push_back(ToJson(environment));
  return ListJson(std::move(items), found.next_page_token);
}

Answer Get(EnvironmentOperations* environments, const RestCall& call) {
  PADDOCK_RETURN_IF_ERROR(CheckNoQuery(call));
  PADDOCK_ASSIGN_OR_RETURN(const Environment found,
                           environments->Get(call.caller.tenant, IdOf(call)));
  return ToJson(found);
}

Answer Update(EnvironmentOperations* environments, const RestCall& call) {
  PADDOCK_ASSIGN_OR_RETURN(const EnvironmentPatch patch, ReadBodyOf(call, &UpdateEnvironmentPatch));
  PADDOCK_ASSIGN_OR_RETURN(const Environment updated,
                           environments->Update(call.caller.tenant, IdOf(call), patch));
  return ToJson(updated);
}

Answer Delete(EnvironmentOperations* environments, const RestCall& call) {
  PADDOCK_RETURN_IF_ERROR(CheckBare(call));
  PADDOCK_RETURN_IF_ERROR(environments->Delete(call.caller.tenant, IdOf(call)));
  return OrderedJson{{"id", call.ids[0]}, {"type", "environment_deleted"}};
}

}  // namespace

std::vector<Route> EnvironmentRoutes(EnvironmentOperations* environments) {
  const auto bind = [environments](Answer (*function)(EnvironmentOperations*, const RestCall&)) {
    return [environments, function](const RestCall& call) { return function(environments, call); };
  };
  constexpr char kAll[] = "/v1/environments";
  constexpr char kOne[] = "/v1/environments/{}";
  return {MakeRoute("rest.CreateEnvironment", "POST", kAll, bind(&Create)),
          MakeRoute("rest.ListEnvironments", "GET", kAll, bind(&List)),
          MakeRoute("rest.GetEnvironment", "GET", kOne, bind(&Get)),
          MakeRoute("rest.UpdateEnvironment", "POST", kOne, bind(&Update)),
          MakeRoute("rest.DeleteEnvironment", "DELETE", kOne, bind(&Delete)),
          MakeRoute("rest.ArchiveEnvironment", "POST", "/v1/environments/{}/archive",
                    Archiving<EnvironmentId>(environments))};
}

}  // namespace paddock
