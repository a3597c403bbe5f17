// JSON values as protobuf carries them. Pure.
#pragma once

#include "google/protobuf/struct.pb.h"
#include "nlohmann/json.hpp"

namespace paddock {

// Numbers without a fraction become JSON integers, so that 1 stays 1; protobuf's are all doubles.
// A value of no kind is null.
nlohmann::json FromProto(const google::protobuf::Value& value);
nlohmann::json FromProto(const google::protobuf::Struct& object);

google::protobuf::Value ToProtoValue(const nlohmann::json& json);
// `json` must be an object; anything else gives an empty struct.
google::protobuf::Struct ToProtoStruct(const nlohmann::json& json);

}  // namespace paddock
