#include "nodeagent/egress/egress_sessions.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/log.h"
#include "common/status_macros.h"
#include "nodeagent/net/ipv4.h"
#include "nodeagent/system/file.h"

namespace paddock::nodeagent {

void EgressSession::Deny(EgressEvent event) {
  ++counts.denied;
  event.allowed = false;
  log.AddUnlessAlike(std::move(event));
}

void EgressSession::Fail(EgressEvent event) {
  ++counts.allowed;
  event.allowed = true;
  log.AddUnlessAlike(std::move(event));
}

absl::Status EgressSessions::Prepare(const std::vector<std::string>& known) {
  for (const std::string& directory : {names_directory_, events_directory_}) {
    PADDOCK_RETURN_IF_ERROR(MakeDirectories(directory, 0700));
    PADDOCK_ASSIGN_OR_RETURN(std::vector<std::string> files, ListDirectory(directory));
    for (const std::string& file : files) {
      if (std::count(known.begin(), known.end(), file) > 0) continue;
      PADDOCK_RETURN_IF_ERROR(RemoveFile(absl::StrCat(directory, "/", file)));
    }
  }
  return absl::OkStatus();
}

absl::Status EgressSessions::Put(const GatewaySession& session, Origin origin) {
  std::optional<EgressPolicy> policy;
  if (session.policy.kind == NetworkPolicy::Kind::kLimited) {
    PADDOCK_ASSIGN_OR_RETURN(policy, EgressPolicy::Create(session.policy));
  }
  PADDOCK_ASSIGN_OR_RETURN(uint32_t address, ParseIpv4(session.address));
  std::shared_ptr<EgressSession> entry = Find(session.session_id);
  if (entry == nullptr) {
    std::string events = EventsFile(session.session_id);
    EgressLog log(events, clock_);
    SyntheticNames names(NamesFile(session.session_id));
    if (origin == Origin::kRestored) {
      PADDOCK_ASSIGN_OR_RETURN(log, EgressLog::Load(events, clock_));
      PADDOCK_ASSIGN_OR_RETURN(names, SyntheticNames::Load(NamesFile(session.session_id)));
    }
    entry = std::make_shared<EgressSession>(session.session_id, std::move(names), std::move(log));
    sessions_[session.session_id] = entry;
  }
  by_address_.erase(entry->address);
  entry->address = address;
  entry->router_veth = session.router_veth;
  entry->policy = std::move(policy);
  by_address_[address] = entry;
  return absl::OkStatus();
}

absl::Status EgressSessions::Remove(const std::string& session_id) {
  auto found = sessions_.find(session_id);
  if (found == sessions_.end()) return absl::OkStatus();
  auto holder = by_address_.find(found->second->address);
  if (holder != by_address_.end() && holder->second == found->second) by_address_.erase(holder);
  sessions_.erase(found);
  PADDOCK_RETURN_IF_ERROR(RemoveFile(NamesFile(session_id)));
  return RemoveFile(EventsFile(session_id));
}

std::shared_ptr<EgressSession> EgressSessions::Find(const std::string& session_id) const {
  auto found = sessions_.find(session_id);
  return found == sessions_.end() ? nullptr : found->second;
}

std::shared_ptr<EgressSession> EgressSessions::FindByAddress(uint32_t address) const {
  auto found = by_address_.find(address);
  return found == by_address_.end() ? nullptr : found->second;
}

std::shared_ptr<EgressSession> EgressSessions::FindByVeth(const std::string& router_veth) const {
  for (const auto& [id, session] : sessions_) {
    if (session->router_veth == router_veth) return session;
  }
  return nullptr;
}

void EgressSessions::Flush() {
  for (const auto& [id, session] : sessions_) {
    absl::Status status = session->log.Flush();
    if (!status.ok())
      LogError("keeping egress events", {{"session_id", id}, {"error", status.ToString()}});
  }
}

}  // namespace paddock::nodeagent
