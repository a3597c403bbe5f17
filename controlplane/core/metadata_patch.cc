#include "controlplane/core/metadata_patch.h"

#include "absl/strings/str_cat.h"
#include "controlplane/core/text_rules.h"

namespace paddock {
namespace {

// All pairs that there can be are deleted, and as many set; twice that, so that deleting what isn't
// there stays harmless.
constexpr size_t kMaxEntries = 4 * kMaxMetadataPairs;

}  // namespace

MetadataPatch SetMetadata(const Metadata& metadata) {
  MetadataPatch patch;
  patch.replace = true;
  patch.entries.insert(metadata.begin(), metadata.end());
  return patch;
}

void CheckMetadataPatch(const MetadataPatch& patch, Violations* violations) {
  const size_t maximum = patch.replace ? kMaxMetadataPairs : kMaxEntries;
  if (patch.entries.size() > maximum) {
    violations->Add("metadata", absl::StrCat("must have at most ", kMaxMetadataPairs,
                                             " pairs, the request has ", patch.entries.size()));
  }
}

Metadata ApplyMetadataPatch(const MetadataPatch& patch, Metadata current) {
  if (patch.replace) current.clear();
  for (const auto& [key, value] : patch.entries) {
    const bool stores_empty = patch.replace || patch.keeps_empty;
    const bool deletes = !value.has_value() || (!stores_empty && value->empty());
    if (deletes) {
      current.erase(key);
    } else {
      current[key] = *value;
    }
  }
  return current;
}

}  // namespace paddock
