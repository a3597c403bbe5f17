#include "nodeagent/egress/session_table.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/log.h"
#include "common/status_macros.h"
#include "nodeagent/egress/gateway_json.h"
#include "nodeagent/net/ipv4.h"
#include "nodeagent/system/file.h"
#include "nodeagent/system/replace_file.h"

namespace paddock::nodeagent {
namespace {

constexpr char kSuffix[] = ".json";
constexpr size_t kMaxIdLength = 128;

absl::Status Validate(const GatewaySession& session) {
  const std::string& id = session.session_id;
  bool plain = !id.empty() && id.size() <= kMaxIdLength &&
               std::all_of(id.begin(), id.end(),
                           [](char c) { return absl::ascii_isalnum(c) || c == '_' || c == '-'; });
  if (!plain) return absl::InvalidArgumentError(absl::StrCat("session id \"", id, "\""));
  bool name_fits = !session.router_veth.empty() && session.router_veth.size() < 16;
  if (!name_fits) return absl::InvalidArgumentError("router_veth is no interface name");
  return ParseIpv4(session.address).status();
}

}  // namespace

absl::StatusOr<SessionTable> SessionTable::Load(const std::string& directory,
                                                const std::string& boot_id) {
  PADDOCK_RETURN_IF_ERROR(MakeDirectories(directory, 0700));
  SessionTable table(directory, boot_id);
  PADDOCK_ASSIGN_OR_RETURN(std::vector<std::string> names, ListDirectory(directory));
  for (const std::string& name : names) {
    std::string path = absl::StrCat(directory, "/", name);
    // What isn't a session's is a temporary file of a crash.
    absl::StatusOr<Entry> entry =
        absl::EndsWith(name, kSuffix) ? table.Read(path) : absl::NotFoundError("temporary file");
    if (!entry.ok()) {
      LogWarning("gateway drops a session file",
                 {{"file", path}, {"why", entry.status().message()}});
      PADDOCK_RETURN_IF_ERROR(RemoveFile(path));
      continue;
    }
    table.id_of_address_[entry->session.address] = entry->session.session_id;
    std::string id = entry->session.session_id;
    table.entries_[id] = *std::move(entry);
  }
  return table;
}

absl::StatusOr<SessionTable::Entry> SessionTable::Read(const std::string& path) const {
  PADDOCK_ASSIGN_OR_RETURN(std::string text, ReadFile(path));
  PADDOCK_ASSIGN_OR_RETURN(nlohmann::json json, ParseJsonObject(text));
  PADDOCK_ASSIGN_OR_RETURN(std::string boot_id, StringField(json, "boot_id"));
  if (boot_id != boot_id_) return absl::NotFoundError("of an earlier boot");
  Entry entry;
  PADDOCK_ASSIGN_OR_RETURN(entry.session, SessionFromJson(json));
  PADDOCK_ASSIGN_OR_RETURN(int64_t killed, IntField(json, "killed"));
  entry.killed = killed != 0;
  PADDOCK_RETURN_IF_ERROR(Validate(entry.session));
  if (PathOf(entry.session.session_id) != path) {
    return absl::InvalidArgumentError("under another session's name");
  }
  return entry;
}

std::string SessionTable::PathOf(const std::string& session_id) const {
  return absl::StrCat(directory_, "/", session_id, kSuffix);
}

absl::Status SessionTable::Persist(const Entry& entry) const {
  nlohmann::json json = ToJson(entry.session);
  json["boot_id"] = boot_id_;
  json["killed"] = entry.killed ? 1 : 0;
  return ReplaceFile(PathOf(entry.session.session_id), json.dump());
}

absl::Status SessionTable::Put(const GatewaySession& session) {
  PADDOCK_RETURN_IF_ERROR(Validate(session));
  const Entry* holder = FindByAddress(session.address);
  if (holder != nullptr && holder->session.session_id != session.session_id) {
    return absl::AlreadyExistsError(absl::StrCat(
        "address ", session.address, " belongs to session ", holder->session.session_id));
  }
  Entry entry;
  entry.session = session;
  PADDOCK_RETURN_IF_ERROR(Persist(entry));
  Entry& stored = entries_[session.session_id];
  id_of_address_.erase(stored.session.address);
  stored = std::move(entry);
  id_of_address_[session.address] = session.session_id;
  return absl::OkStatus();
}

absl::Status SessionTable::MarkKilled(const std::string& session_id) {
  auto found = entries_.find(session_id);
  if (found == entries_.end()) return absl::NotFoundError(session_id);
  Entry entry = found->second;
  entry.killed = true;
  PADDOCK_RETURN_IF_ERROR(Persist(entry));
  found->second = std::move(entry);
  return absl::OkStatus();
}

absl::Status SessionTable::Remove(const std::string& session_id) {
  auto found = entries_.find(session_id);
  if (found == entries_.end()) return absl::OkStatus();
  PADDOCK_RETURN_IF_ERROR(RemoveFile(PathOf(session_id)));
  id_of_address_.erase(found->second.session.address);
  entries_.erase(found);
  return absl::OkStatus();
}

const SessionTable::Entry* SessionTable::Find(const std::string& session_id) const {
  auto found = entries_.find(session_id);
  return found == entries_.end() ? nullptr : &found->second;
}

const SessionTable::Entry* SessionTable::FindByAddress(const std::string& address) const {
  auto id = id_of_address_.find(address);
  return id == id_of_address_.end() ? nullptr : Find(id->second);
}

}  // namespace paddock::nodeagent
