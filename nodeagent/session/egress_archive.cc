#include "nodeagent/session/egress_archive.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/ids.h"
#include "common/status_macros.h"
#include "nodeagent/egress/gateway_json.h"
#include "nodeagent/system/file.h"
#include "nodeagent/system/file_listing.h"
#include "nodeagent/system/replace_file.h"

namespace paddock::nodeagent {

std::string EgressArchive::FileOf(const std::string& session_id) const {
  return absl::StrCat(directory_, "/", session_id, ".json");
}

absl::Status EgressArchive::Save(const std::string& session_id, int64_t generation,
                                 std::vector<EgressEvent> events) {
  if (events.empty()) return absl::OkStatus();
  if (!IsWellFormedId(kSessionPrefix, session_id)) {
    return absl::InvalidArgumentError("not a session's id");
  }
  PADDOCK_RETURN_IF_ERROR(MakeDirectories(directory_, 0700));
  EgressPage page;
  page.events = std::move(events);
  const nlohmann::json json = {{"generation", generation}, {"page", ToJson(page)}};
  return ReplaceFile(FileOf(session_id),
                     json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

absl::StatusOr<std::vector<EgressEvent>> EgressArchive::Load(const std::string& session_id,
                                                             int64_t generation) const {
  if (!IsWellFormedId(kSessionPrefix, session_id)) return std::vector<EgressEvent>();
  const absl::StatusOr<std::string> text = ReadFile(FileOf(session_id));
  if (absl::IsNotFound(text.status())) return std::vector<EgressEvent>();
  PADDOCK_RETURN_IF_ERROR(text.status());
  // A crash may have left half a file.
  const absl::StatusOr<nlohmann::json> json = ParseJsonObject(*text);
  if (!json.ok()) return std::vector<EgressEvent>();
  const absl::StatusOr<int64_t> kept = IntField(*json, "generation");
  if (!kept.ok() || *kept != generation || !json->contains("page")) {
    return std::vector<EgressEvent>();
  }
  PADDOCK_ASSIGN_OR_RETURN(EgressPage page, PageFromJson((*json)["page"]));
  return std::move(page.events);
}

absl::Status EgressArchive::Remove(const std::string& session_id) {
  if (!IsWellFormedId(kSessionPrefix, session_id)) return absl::OkStatus();
  return RemoveFile(FileOf(session_id));
}

absl::Status EgressArchive::Prune(absl::Time now) {
  const absl::StatusOr<std::vector<FileEntry>> files = ListFilesByAge(directory_);
  if (absl::IsNotFound(files.status())) return absl::OkStatus();
  PADDOCK_RETURN_IF_ERROR(files.status());
  int64_t bytes = 0;
  for (const FileEntry& file : *files) bytes += file.size_bytes;
  size_t count = files->size();
  for (const FileEntry& file : *files) {
    const bool old = file.modified + kKeep < now;
    if (!old && bytes <= kMaxBytes && count <= kMaxFiles) break;
    PADDOCK_RETURN_IF_ERROR(RemoveFile(absl::StrCat(directory_, "/", file.name)));
    bytes -= file.size_bytes;
    --count;
  }
  return absl::OkStatus();
}

}  // namespace paddock::nodeagent
