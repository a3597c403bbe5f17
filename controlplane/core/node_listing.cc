#include "controlplane/core/node_listing.h"

#include <algorithm>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace paddock {
namespace {

constexpr char kHead[] = "listing";
constexpr char kNode[] = "node";
constexpr char kEnd[] = "end";

absl::Status Malformed(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("listing of Node objects: ", what));
}

}  // namespace

std::optional<NodeObject> ParseNodeObject(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, '/');
  if (parts.size() != 3) return std::nullopt;
  for (absl::string_view part : parts) {
    if (part.empty()) return std::nullopt;
  }
  return NodeObject{std::string(parts[0]), std::string(parts[1]), std::string(parts[2])};
}

bool NodeListing::Lacks(const NodeObject& object) const {
  return object.cluster == cluster && uids.count(object.name) == 0 &&
         std::none_of(uids.begin(), uids.end(),
                      [&](const auto& entry) { return entry.second == object.uid; });
}

absl::StatusOr<NodeListing> ParseNodeListing(absl::string_view text) {
  std::vector<absl::string_view> lines = absl::StrSplit(text, '\n');
  if (lines.size() < 2 || !lines.back().empty() || lines[lines.size() - 2] != kEnd) {
    return Malformed("it isn't whole");
  }
  lines.resize(lines.size() - 2);
  NodeListing listing;
  for (size_t i = 0; i < lines.size(); ++i) {
    const std::vector<absl::string_view> words = absl::StrSplit(lines[i], ' ');
    if (i == 0) {
      if (words.size() != 3 || words[0] != kHead || words[1].empty() || words[2].empty()) {
        return Malformed("no cluster and stamp at the beginning");
      }
      listing.cluster = std::string(words[1]);
      listing.stamp = std::string(words[2]);
      continue;
    }
    if (words.size() != 3 || words[0] != kNode || words[1].empty() || words[2].empty()) {
      return Malformed(absl::StrCat("line ", i + 1, " is no node with a uid"));
    }
    if (!listing.uids.emplace(words[1], words[2]).second) {
      return Malformed(absl::StrCat("line ", i + 1, " names a node again"));
    }
  }
  if (listing.uids.empty()) return Malformed("there is no node in it");
  return listing;
}

}  // namespace paddock
