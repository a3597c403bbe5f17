#include "controlplane/api/json_convert.h"

#include <cmath>
#include <cstdint>

namespace paddock {
namespace {

// Doubles hold every integer up to here exactly.
constexpr double kMaxExactInteger = 9'007'199'254'740'992.0;

nlohmann::json Number(double value) {
  if (std::trunc(value) == value && std::abs(value) <= kMaxExactInteger) {
    return static_cast<int64_t>(value);
  }
  return value;
}

}  // namespace

nlohmann::json FromProto(const google::protobuf::Value& value) {
  switch (value.kind_case()) {
    case google::protobuf::Value::kBoolValue:
      return value.bool_value();
    case google::protobuf::Value::kNumberValue:
      return Number(value.number_value());
    case google::protobuf::Value::kStringValue:
      return value.string_value();
    case google::protobuf::Value::kStructValue:
      return FromProto(value.struct_value());
    case google::protobuf::Value::kListValue: {
      nlohmann::json list = nlohmann::json::array();
      for (const auto& item : value.list_value().values()) list.push_back(FromProto(item));
      return list;
    }
    case google::protobuf::Value::kNullValue:
    case google::protobuf::Value::KIND_NOT_SET:
      break;
  }
  return nullptr;
}

nlohmann::json FromProto(const google::protobuf::Struct& object) {
  nlohmann::json json = nlohmann::json::object();
  for (const auto& [key, value] : object.fields()) json[key] = FromProto(value);
  return json;
}

google::protobuf::Value ToProtoValue(const nlohmann::json& json) {
  google::protobuf::Value value;
  if (json.is_boolean()) {
    value.set_bool_value(json.get<bool>());
  } else if (json.is_number()) {
    value.set_number_value(json.get<double>());
  } else if (json.is_string()) {
    value.set_string_value(json.get_ref<const std::string&>());
  } else if (json.is_object()) {
    *value.mutable_struct_value() = ToProtoStruct(json);
  } else if (json.is_array()) {
    auto* list = value.mutable_list_value();
    for (const auto& item : json) *list->add_values() = ToProtoValue(item);
  } else {
    value.set_null_value(google::protobuf::NULL_VALUE);
  }
  return value;
}

google::protobuf::Struct ToProtoStruct(const nlohmann::json& json) {
  google::protobuf::Struct object;
  if (!json.is_object()) return object;
  for (const auto& [key, value] : json.items()) {
    (*object.mutable_fields())[key] = ToProtoValue(value);
  }
  return object;
}

}  // namespace paddock
