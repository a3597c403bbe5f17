#include "nodeagent/api/directory_listing.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace paddock::nodeagent {
namespace {

using file_protocol::EntryHeader;
using file_protocol::EntryType;

std::string Entry(EntryType type, const std::string& name, uint64_t size) {
  EntryHeader header = {};
  header.type = static_cast<uint8_t>(type);
  header.size = size;
  header.name_bytes = static_cast<uint16_t>(name.size());
  return std::string(reinterpret_cast<const char*>(&header), sizeof(header)) + name;
}

std::string Directory(size_t count) {
  std::string bytes;
  for (size_t i = 0; i < count; ++i) {
    bytes += Entry(EntryType::kFile, absl::StrCat("f", i), /*size=*/i);
  }
  return bytes + Entry(EntryType::kEnd, "", count);
}

// The answer to a directory whose list comes in pieces of that size, as far as it is wanted.
v1::ListDirectoryResponse List(const std::string& bytes, size_t piece) {
  v1::ListDirectoryResponse response;
  DirectoryListing listing(&response);
  for (size_t at = 0; at < bytes.size() && !listing.truncated(); at += piece) {
    const absl::Status status = listing.Take(bytes.substr(at, piece));
    EXPECT_TRUE(status.ok()) << status << " at " << at;
    if (!status.ok()) break;
  }
  EXPECT_TRUE(listing.truncated() || listing.finished());
  return response;
}

TEST(DirectoryListingTest, AnswersAsManyAsFit) {
  const v1::ListDirectoryResponse response =
      List(Directory(DirectoryListing::kMaxEntries), /*piece=*/4096);
  EXPECT_EQ(response.entries_size(), 10'000);
  EXPECT_FALSE(response.truncated());
}

TEST(DirectoryListingTest, TruncatesHoweverManyMoreThereAreInOnePiece) {
  for (const size_t count : {10'001, 10'002, 10'100, 25'000}) {
    const std::string bytes = Directory(count);
    for (const size_t piece : {size_t{1000}, size_t{65536}, bytes.size()}) {
      const v1::ListDirectoryResponse response = List(bytes, piece);
      ASSERT_EQ(response.entries_size(), 10'000) << count << " in pieces of " << piece;
      EXPECT_TRUE(response.truncated());
      EXPECT_EQ(response.entries(9'999).name(), "f9999");
    }
  }
}

TEST(DirectoryListingTest, MalformedListsAreRefused) {
  v1::ListDirectoryResponse response;
  DirectoryListing listing(&response);
  EXPECT_TRUE(absl::IsInternal(listing.Take(Entry(EntryType::kFile, "a/b", 0))));
}

}  // namespace
}  // namespace paddock::nodeagent
