// The requests of the gateway's socket; what they change is described at GatewayClient.

#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "common/log.h"
#include "common/status_macros.h"
#include "nodeagent/egress/gateway.h"
#include "nodeagent/egress/gateway_json.h"
#include "nodeagent/net/egress_check.h"
#include "nodeagent/system/file.h"
#include "nodeagent/system/replace_file.h"

namespace paddock::nodeagent {
namespace {

using nlohmann::json;

// Named counters of the router's rules, by name; empty if they can't be read.
std::map<std::string, int64_t> ReadCounters(Nft& nft) {
  std::map<std::string, int64_t> counters;
  absl::StatusOr<std::string> text =
      nft.List(absl::StrCat("list counters table inet ", NetworkPlan::kRouterTable));
  if (!text.ok()) return counters;
  absl::StatusOr<json> document = ParseJsonObject(*text);
  if (!document.ok() || !document->contains("nftables")) return counters;
  for (const json& object : (*document)["nftables"]) {
    if (!object.is_object() || !object.contains("counter")) continue;
    absl::StatusOr<std::string> name = StringField(object["counter"], "name");
    absl::StatusOr<int64_t> packets = IntField(object["counter"], "packets");
    if (name.ok() && packets.ok()) counters[*name] = *packets;
  }
  return counters;
}

}  // namespace

std::string Gateway::Answer(const std::string& request) {
  absl::StatusOr<json> parsed = ParseJsonObject(request);
  absl::StatusOr<json> answer = parsed.ok() ? Dispatch(*parsed) : parsed.status();
  json reply = answer.ok() ? *answer : json::object();
  reply["code"] = static_cast<int>(answer.status().code());
  reply["message"] = std::string(answer.status().message());
  return reply.dump(-1, ' ', false, json::error_handler_t::replace);
}

absl::StatusOr<json> Gateway::Dispatch(const json& request) {
  PADDOCK_ASSIGN_OR_RETURN(std::string operation, StringField(request, "operation"));
  json done = json::object();
  if (operation == "ping") {
    return json{{"instance", plan_.instance()},
                {"subnet", plan_.Subnet()},
                {"pid", getpid()},
                {"operator_problem", operator_problem_}};
  }
  if (operation == "put") {
    auto field = request.find("session");
    if (field == request.end()) return absl::InvalidArgumentError("session is missing");
    PADDOCK_ASSIGN_OR_RETURN(GatewaySession session, SessionFromJson(*field));
    PADDOCK_RETURN_IF_ERROR(PutSession(session));
    return done;
  }
  if (operation == "remove") {
    PADDOCK_ASSIGN_OR_RETURN(std::string id, StringField(request, "session_id"));
    PADDOCK_RETURN_IF_ERROR(RemoveSession(id));
    return done;
  }
  if (operation == "renew_fence") {
    PADDOCK_ASSIGN_OR_RETURN(int64_t sent_at, IntField(request, "sent_at_ns"));
    PADDOCK_ASSIGN_OR_RETURN(int64_t fence_after, IntField(request, "fence_after_ns"));
    PADDOCK_RETURN_IF_ERROR(
        fence_->Renew(absl::Nanoseconds(sent_at), absl::Nanoseconds(fence_after)));
    return done;
  }
  if (operation == "configure") {
    PADDOCK_RETURN_IF_ERROR(Configure(request));
    return done;
  }
  if (operation == "list") return ListSessions();
  if (operation == "list_egress") return ListEgress(request);
  if (operation == "list_fenced") return ListFenced();
  if (operation == "stats") return json{{"stats", ToJson(Stats())}};
  return absl::UnimplementedError(absl::StrCat("unknown operation \"", operation, "\""));
}

absl::Status Gateway::PutSession(const GatewaySession& session) {
  if (session.fenced) PADDOCK_RETURN_IF_ERROR(fence_->CheckAhead());
  if (session.policy.kind == NetworkPolicy::Kind::kLimited) {
    PADDOCK_RETURN_IF_ERROR(EgressPolicy::Create(session.policy).status());
  }
  std::optional<Outlet> before;
  const SessionTable::Entry* known = table_.Find(session.session_id);
  if (known != nullptr) before = OutletOf(known->session);
  std::optional<Outlet> after = OutletOf(session);
  bool same = before && after && before->set == after->set &&
              before->element.address == after->element.address &&
              before->element.interface == after->element.interface;
  PADDOCK_RETURN_IF_ERROR(table_.Put(session));
  if (before && !same) PADDOCK_RETURN_IF_ERROR(elements_->Remove(before->set, before->element));
  PADDOCK_RETURN_IF_ERROR(sessions_.Put(session, EgressSessions::Origin::kNew));
  // Also if it is the same: whatever became of the rules, it is in force afterwards.
  return after ? elements_->Add(after->set, after->element) : absl::OkStatus();
}

absl::Status Gateway::RemoveSession(const std::string& session_id) {
  const SessionTable::Entry* known = table_.Find(session_id);
  if (known == nullptr) return absl::OkStatus();
  std::optional<Outlet> outlet = OutletOf(known->session);
  // The rule first: should the file stay, the session is closed until the next start, when the
  // caller, who got an error, has asked again.
  if (outlet) PADDOCK_RETURN_IF_ERROR(elements_->Remove(outlet->set, outlet->element));
  egress_->DropSession(session_id);
  PADDOCK_RETURN_IF_ERROR(sessions_.Remove(session_id));
  return table_.Remove(session_id);
}

absl::Status Gateway::Configure(const json& request) {
  PADDOCK_ASSIGN_OR_RETURN(std::vector<std::string> blocked, StringsField(request, "blocked"));
  for (const std::string& text : blocked) {
    PADDOCK_RETURN_IF_ERROR(ParseIpv4Network(text).status());
  }
  GatewayOptions changed = options_;
  changed.blocked = blocked;
  PADDOCK_RETURN_IF_ERROR(ReplaceFile(options_.ConfigFile(), ToJson(changed).dump()));
  options_.blocked = std::move(blocked);
  return UpdateBlocklists();
}

json Gateway::ListSessions() const {
  json sessions = json::array();
  for (const auto& [id, entry] : table_.All()) sessions.push_back(ToJson(entry.session));
  return {{"sessions", std::move(sessions)}};
}

json Gateway::ListFenced() const {
  json ids = json::array();
  for (const auto& [id, entry] : table_.All()) {
    if (entry.killed) ids.push_back(id);
  }
  return {{"session_ids", std::move(ids)}};
}

absl::StatusOr<json> Gateway::ListEgress(const json& request) const {
  PADDOCK_ASSIGN_OR_RETURN(std::string id, StringField(request, "session_id"));
  PADDOCK_ASSIGN_OR_RETURN(int64_t after, IntField(request, "after_sequence"));
  PADDOCK_ASSIGN_OR_RETURN(int64_t limit, IntField(request, "limit"));
  if (limit < 1) return absl::InvalidArgumentError("limit must be positive");
  std::shared_ptr<EgressSession> session = sessions_.Find(id);
  if (session == nullptr) return absl::NotFoundError(absl::StrCat("session ", id));
  limit = std::min<int64_t>(limit, EgressLog::kMaxEvents);
  return ToJson(session->log.After(after, static_cast<int>(limit)));
}

GatewayStats Gateway::Stats() {
  GatewayStats stats;
  stats.sessions = static_cast<int64_t>(table_.All().size());
  stats.fenced_kills = fence_->kills();
  stats.verdict_packets = ReadCounters(*router_nft_);
  stats.dns_queries = dns_->counts();
  stats.egress_verdicts = services_.verdicts;
  stats.open_connections = egress_->connections();
  for (const auto& [id, session] : sessions_.All()) {
    const EgressCounts& counts = session->counts;
    if (counts.allowed != 0 || counts.denied != 0) stats.session_egress[id] = counts;
  }
  stats.problems = CheckEgress(plan_, *host_nft_);
  if (!operator_problem_.empty()) stats.problems.push_back(operator_problem_);
  if (!has_resolvers_) {
    stats.problems.push_back(absl::StrCat(options_.resolv_conf, " names no resolver"));
  }
  return stats;
}

}  // namespace paddock::nodeagent
