#include "nodeagent/egress/synthetic_names.h"

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "nodeagent/egress/egress_policy.h"
#include "nodeagent/system/append_file.h"
#include "nodeagent/system/file.h"
#include "nodeagent/system/replace_file.h"

namespace paddock::nodeagent {

absl::StatusOr<SyntheticNames> SyntheticNames::Load(std::string path) {
  SyntheticNames names(std::move(path));
  absl::StatusOr<std::string> text = ReadFile(names.path_);
  if (absl::IsNotFound(text.status())) return names;
  if (!text.ok()) return text.status();
  absl::string_view rest = *text;
  size_t understood = 0;
  for (size_t end = rest.find('\n'); end != absl::string_view::npos; end = rest.find('\n')) {
    std::string name(rest.substr(0, end));
    bool fresh = IsHostName(name) && !names.index_of_.contains(name);
    if (!fresh || names.size() == kMaxNames) break;
    names.index_of_[name] = static_cast<uint32_t>(names.size());
    names.names_.push_back(std::move(name));
    rest.remove_prefix(end + 1);
    understood += end + 1;
  }
  if (understood != text->size()) {
    PADDOCK_RETURN_IF_ERROR(ReplaceFile(names.path_, text->substr(0, understood)));
  }
  return names;
}

absl::StatusOr<uint32_t> SyntheticNames::AddressOf(const std::string& name) {
  auto known = index_of_.find(name);
  if (known != index_of_.end()) return NetworkPlan::SyntheticAddress(known->second);
  if (!IsHostName(name)) return absl::InvalidArgumentError("not a host name");
  if (size() == kMaxNames) {
    return absl::ResourceExhaustedError(
        absl::StrCat("this session has looked up ", kMaxNames, " names already"));
  }
  PADDOCK_ASSIGN_OR_RETURN(UniqueFd file, OpenForAppend(path_));
  PADDOCK_RETURN_IF_ERROR(WriteAll(file.get(), absl::StrCat(name, "\n")));
  auto index = static_cast<uint32_t>(size());
  index_of_[name] = index;
  names_.push_back(name);
  return NetworkPlan::SyntheticAddress(index);
}

absl::string_view SyntheticNames::NameOf(uint32_t address) const {
  uint32_t index = address - NetworkPlan::SyntheticAddress(0);
  return index < names_.size() ? absl::string_view(names_[index]) : absl::string_view();
}

}  // namespace paddock::nodeagent
