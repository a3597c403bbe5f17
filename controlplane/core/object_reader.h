#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "controlplane/core/change.h"
#include "controlplane/core/metadata_patch.h"
#include "controlplane/core/violations.h"
#include "nlohmann/json.hpp"

namespace paddock {

// Reads one JSON object, member by member, and says by name what is of the wrong type or not known.
// Absent, null and a value stay apart: a Change keeps, clears or sets. It judges shape, nothing
// else. Not thread-safe; the value and `violations` must outlive it.
class ObjectReader {
 public:
  // `path` names the object, empty for a request's body. Something else than an object is a
  // violation, and then reads as empty.
  ObjectReader(std::string path, const nlohmann::json& value, Violations* violations);
  ObjectReader(const ObjectReader&) = delete;
  ObjectReader& operator=(const ObjectReader&) = delete;

  // Null when absent. Counts as known.
  const nlohmann::json* Find(absl::string_view member);
  std::string PathOf(absl::string_view member) const;

  Change<std::string> String(absl::string_view member);
  Change<bool> Bool(absl::string_view member);
  Change<std::vector<std::string>> Strings(absl::string_view member);
  // Of any type.
  Change<nlohmann::json> Json(absl::string_view member);
  // A list of objects.
  Change<std::vector<nlohmann::json>> Objects(absl::string_view member);
  // A whole number of at least `minimum`; null counts as absent.
  std::optional<int64_t> Integer(absl::string_view member, int64_t minimum);

  // A string that must be there.
  std::string Required(absl::string_view member);
  // Which kind of object it is: one of `kinds`, else a violation and empty.
  std::string Type(const std::vector<absl::string_view>& kinds);
  // A member that must be one of `kinds`; empty when it is missing, null or wrong.
  std::string OneOf(absl::string_view member, const std::vector<absl::string_view>& kinds);

  // Metadata of a create: strings only, all of it.
  MetadataPatch NewMetadata();
  // Metadata of an update: merged, null deletes a key, null for all changes nothing. An empty value
  // is stored, or (kDelete) deletes too.
  enum class Empty { kStore, kDelete };
  MetadataPatch MergedMetadata(Empty empty);

  // Each member that nobody asked for is a violation. Call last.
  void RefuseTheRest();

 private:
  void Wrong(const std::string& path, absl::string_view rule);
  std::map<std::string, std::optional<std::string>> StringMap(bool nulls_allowed);

  const std::string path_;
  const nlohmann::json* object_;  // Null when it is none.
  Violations* const violations_;
  std::set<std::string> known_;
};

// `value` as a list of strings; violations name `path`.
std::vector<std::string> ReadStrings(const std::string& path, const nlohmann::json& value,
                                     Violations* violations);

}  // namespace paddock
