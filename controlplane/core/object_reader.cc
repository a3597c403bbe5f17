#include "controlplane/core/object_reader.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "controlplane/core/json_path.h"

namespace paddock {

std::vector<std::string> ReadStrings(const std::string& path, const nlohmann::json& value,
                                     Violations* violations) {
  std::vector<std::string> strings;
  if (!value.is_array()) {
    violations->Add(path, "must be a list of strings");
    return strings;
  }
  for (size_t i = 0; i < value.size() && !violations->full(); ++i) {
    if (value[i].is_string()) {
      strings.push_back(value[i].get_ref<const std::string&>());
    } else {
      violations->Add(ItemPath(path, i), "must be a string");
    }
  }
  return strings;
}

ObjectReader::ObjectReader(std::string path, const nlohmann::json& value, Violations* violations)
    : path_(std::move(path)),
      object_(value.is_object() ? &value : nullptr),
      violations_(violations) {
  if (object_ == nullptr) violations_->Add(DescribePath(path_), "must be a JSON object");
}

std::string ObjectReader::PathOf(absl::string_view member) const {
  return MemberPath(path_, member);
}

void ObjectReader::Wrong(const std::string& path, absl::string_view rule) {
  violations_->Add(path, std::string(rule));
}

const nlohmann::json* ObjectReader::Find(absl::string_view member) {
  const std::string name(member);
  known_.insert(name);
  if (object_ == nullptr) return nullptr;
  const auto found = object_->find(name);
  return found == object_->end() ? nullptr : &*found;
}

Change<std::string> ObjectReader::String(absl::string_view member) {
  const nlohmann::json* value = Find(member);
  if (value == nullptr) return {};
  if (value->is_null()) return Change<std::string>::Clear();
  if (value->is_string()) return Change<std::string>::Set(value->get_ref<const std::string&>());
  Wrong(PathOf(member), "must be a string");
  return {};
}

Change<bool> ObjectReader::Bool(absl::string_view member) {
  const nlohmann::json* value = Find(member);
  if (value == nullptr) return {};
  if (value->is_null()) return Change<bool>::Clear();
  if (value->is_boolean()) return Change<bool>::Set(value->get<bool>());
  Wrong(PathOf(member), "must be true or false");
  return {};
}

Change<std::vector<std::string>> ObjectReader::Strings(absl::string_view member) {
  using List = Change<std::vector<std::string>>;
  const nlohmann::json* value = Find(member);
  if (value == nullptr) return {};
  if (value->is_null()) return List::Clear();
  return List::Set(ReadStrings(PathOf(member), *value, violations_));
}

Change<nlohmann::json> ObjectReader::Json(absl::string_view member) {
  const nlohmann::json* value = Find(member);
  if (value == nullptr) return {};
  if (value->is_null()) return Change<nlohmann::json>::Clear();
  return Change<nlohmann::json>::Set(*value);
}

Change<std::vector<nlohmann::json>> ObjectReader::Objects(absl::string_view member) {
  using List = Change<std::vector<nlohmann::json>>;
  const nlohmann::json* value = Find(member);
  if (value == nullptr) return {};
  if (value->is_null()) return List::Clear();
  if (!value->is_array()) {
    Wrong(PathOf(member), "must be a list of objects");
    return {};
  }
  std::vector<nlohmann::json> objects;
  for (size_t i = 0; i < value->size() && !violations_->full(); ++i) {
    if (!(*value)[i].is_object()) Wrong(ItemPath(PathOf(member), i), "must be an object");
    objects.push_back((*value)[i]);
  }
  return List::Set(std::move(objects));
}

std::optional<int64_t> ObjectReader::Integer(absl::string_view member, int64_t minimum) {
  const nlohmann::json* value = Find(member);
  if (value == nullptr || value->is_null()) return std::nullopt;
  // Unsigned values that don't fit are negative here.
  const int64_t number = value->is_number_integer() ? value->get<int64_t>() : minimum - 1;
  if (number >= minimum) return number;
  Wrong(PathOf(member), absl::StrCat("must be a whole number of at least ", minimum));
  return std::nullopt;
}

std::string ObjectReader::Required(absl::string_view member) {
  const Change<std::string> text = String(member);
  if (text.sets()) return text.value();
  const nlohmann::json* value = Find(member);
  if (object_ != nullptr && (value == nullptr || value->is_null())) {
    Wrong(PathOf(member), "is required");
  }
  return "";
}

std::string ObjectReader::Type(const std::vector<absl::string_view>& kinds) {
  const nlohmann::json* value = Find("type");
  if (object_ == nullptr) return "";
  if (value != nullptr && !value->is_null()) return OneOf("type", kinds);
  Wrong(PathOf("type"), absl::StrCat("is required: ", absl::StrJoin(kinds, " or ")));
  return "";
}

std::string ObjectReader::OneOf(absl::string_view member,
                                const std::vector<absl::string_view>& kinds) {
  const nlohmann::json* value = Find(member);
  if (value == nullptr || value->is_null()) return "";
  if (value->is_string()) {
    const std::string& given = value->get_ref<const std::string&>();
    if (std::find(kinds.begin(), kinds.end(), given) != kinds.end()) return given;
  }
  Wrong(PathOf(member), absl::StrCat("must be ", absl::StrJoin(kinds, " or ")));
  return "";
}

std::map<std::string, std::optional<std::string>> ObjectReader::StringMap(bool nulls_allowed) {
  std::map<std::string, std::optional<std::string>> entries;
  const nlohmann::json* value = Find("metadata");
  if (value == nullptr || value->is_null()) return entries;
  const std::string path = PathOf("metadata");
  if (!value->is_object()) {
    Wrong(path, "must be an object with strings as values");
    return entries;
  }
  for (const auto& item : value->items()) {
    if (violations_->full()) break;
    if (item.value().is_string()) {
      entries.emplace(item.key(), item.value().get_ref<const std::string&>());
    } else if (item.value().is_null() && nulls_allowed) {
      entries.emplace(item.key(), std::nullopt);
    } else {
      Wrong(MemberPath(path, item.key()),
            nulls_allowed ? "must be a string, or null to delete the key" : "must be a string");
    }
  }
  return entries;
}

MetadataPatch ObjectReader::NewMetadata() {
  MetadataPatch patch;
  patch.replace = true;
  patch.entries = StringMap(false);
  return patch;
}

MetadataPatch ObjectReader::MergedMetadata(Empty empty) {
  MetadataPatch patch;
  patch.keeps_empty = empty == Empty::kStore;
  patch.entries = StringMap(true);
  return patch;
}

void ObjectReader::RefuseTheRest() {
  if (object_ == nullptr) return;
  for (const auto& item : object_->items()) {
    if (violations_->full()) return;
    if (known_.count(item.key()) == 0) Wrong(PathOf(item.key()), "isn't known here");
  }
}

}  // namespace paddock
