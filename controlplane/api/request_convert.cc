#include "controlplane/api/request_convert.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/utf8.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"

namespace paddock {

std::string SerializeDeterministically(const google::protobuf::Message& message) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    message.SerializeToCodedStream(&coded);
  }
  return bytes;
}

StringMap FromProtoMap(const ProtoStringMap& map) { return {map.begin(), map.end()}; }

ProtoStringMap ToProtoMap(const StringMap& map) { return {map.begin(), map.end()}; }

std::vector<std::string> FromProtoStrings(const ProtoStrings& strings) {
  return {strings.begin(), strings.end()};
}

MetadataPatch MergeMetadata(const ProtoStringMap& map) {
  MetadataPatch patch;
  for (const auto& [key, value] : map) patch.entries.emplace(key, value);
  return patch;
}

MetadataPatch ReplaceMetadata(const ProtoStringMap& map) {
  MetadataPatch patch = MergeMetadata(map);
  patch.replace = true;
  return patch;
}

absl::StatusOr<std::set<std::string>> ReadMask(const google::protobuf::FieldMask& mask,
                                               const std::set<absl::string_view>& known) {
  constexpr size_t kMaxQuotedCharacters = 100;
  std::set<std::string> paths;
  for (const std::string& path : mask.paths()) {
    if (path == "*") {
      if (mask.paths_size() > 1) {
        return errors::InvalidField("update_mask", "must name nothing besides *");
      }
      for (const absl::string_view each : known) {
        if (!absl::StrContains(each, '.')) paths.emplace(each);
      }
      return paths;
    }
    if (known.count(path) == 0) {
      return errors::InvalidField(
          "update_mask", absl::StrCat("has the unknown path ", Quote(path, kMaxQuotedCharacters)));
    }
    paths.insert(path);
  }
  return paths;
}

}  // namespace paddock
