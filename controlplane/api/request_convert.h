// What the requests of all services have in common. Pure.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "controlplane/core/idempotency.h"
#include "controlplane/core/metadata_patch.h"
#include "controlplane/core/page.h"
#include "controlplane/core/store_types.h"
#include "google/protobuf/field_mask.pb.h"
#include "google/protobuf/map.h"
#include "google/protobuf/message.h"
#include "google/protobuf/repeated_field.h"

namespace paddock {

// The same bytes for equal messages of one binary, whatever the order of their maps.
std::string SerializeDeterministically(const google::protobuf::Message& message);

// The request without its request_id is the body.
template <typename Request>
Idempotency IdempotencyOf(Request request) {
  const std::string request_id = request.request_id();
  request.clear_request_id();
  return MakeIdempotency(request_id, SerializeDeterministically(request));
}

template <typename Request>
PageRequest PageOf(const Request& request) {
  return PageRequest{request.page_size(), request.page_token()};
}

template <typename Request>
Archived ArchivedOf(const Request& request) {
  return request.include_archived() ? Archived::kInclude : Archived::kExclude;
}

using StringMap = std::map<std::string, std::string>;
using ProtoStringMap = google::protobuf::Map<std::string, std::string>;
using ProtoStrings = google::protobuf::RepeatedPtrField<std::string>;

StringMap FromProtoMap(const ProtoStringMap& map);
ProtoStringMap ToProtoMap(const StringMap& map);
std::vector<std::string> FromProtoStrings(const ProtoStrings& strings);

// Merges (no mask: an empty value deletes its key) or replaces (the mask names metadata).
MetadataPatch MergeMetadata(const ProtoStringMap& map);
MetadataPatch ReplaceMetadata(const ProtoStringMap& map);

// The mask's paths, parents before what lies below them; for "*" alone, all top ones of `known`.
// INVALID_ARGUMENT naming the first that isn't in `known`.
absl::StatusOr<std::set<std::string>> ReadMask(const google::protobuf::FieldMask& mask,
                                               const std::set<absl::string_view>& known);

}  // namespace paddock
