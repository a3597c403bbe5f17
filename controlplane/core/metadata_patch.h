#pragma once

#include <map>
#include <optional>
#include <string>

#include "controlplane/core/resources.h"
#include "controlplane/core/violations.h"

namespace paddock {

// A change of metadata. The default changes nothing.
struct MetadataPatch {
  // True: the result is exactly `entries` (an update mask names metadata). False: they are merged,
  // and a null or (unless keeps_empty) empty value deletes its key.
  bool replace = false;
  // Merging: an empty value is stored like any other, only null deletes.
  bool keeps_empty = false;
  std::map<std::string, std::optional<std::string>> entries;
};

// The patch that sets what a create call gives.
MetadataPatch SetMetadata(const Metadata& metadata);

// Refuses a patch with so many entries that applying it costs too much; needs no current value.
void CheckMetadataPatch(const MetadataPatch& patch, Violations* violations);

// Pure. The result may break the rules (CheckMetadata): a patch is judged by what it leads to.
Metadata ApplyMetadataPatch(const MetadataPatch& patch, Metadata current);

}  // namespace paddock
