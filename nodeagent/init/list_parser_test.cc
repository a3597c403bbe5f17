#include "nodeagent/init/list_parser.h"

#include <gtest/gtest.h>

namespace paddock::nodeagent {
namespace {

using file_protocol::EntryHeader;
using file_protocol::EntryType;

EntryHeader Header(EntryType type, size_t name, size_t target = 0) {
  EntryHeader header = {};
  header.type = static_cast<uint8_t>(type);
  header.name_bytes = static_cast<uint16_t>(name);
  header.target_bytes = static_cast<uint16_t>(target);
  return header;
}

std::string Bytes(const EntryHeader& header) {
  return std::string(reinterpret_cast<const char*>(&header), sizeof(header));
}

std::string End(uint64_t count) {
  EntryHeader end = Header(EntryType::kEnd, 0);
  end.size = count;
  return Bytes(end);
}

std::string TwoEntries() {
  EntryHeader file = Header(EntryType::kFile, 3);
  file.size = 12;
  file.mode = 0644;
  file.modified_seconds = 100;
  file.modified_nanos = 5;
  return Bytes(file) + "a b" + Bytes(Header(EntryType::kSymlink, 1, 4)) + "l/tmp" + End(2);
}

bool Refuses(const std::string& bytes) {
  ListParser parser(10);
  std::vector<DirectoryEntry> entries;
  return !parser.Consume(bytes, &entries).ok();
}

TEST(ListParserTest, ReadsWhateverThePiecesAre) {
  for (size_t piece = 1; piece <= TwoEntries().size(); ++piece) {
    ListParser parser(10);
    std::vector<DirectoryEntry> entries;
    for (size_t at = 0; at < TwoEntries().size(); at += piece) {
      ASSERT_TRUE(parser.Consume(TwoEntries().substr(at, piece), &entries).ok()) << piece;
    }
    EXPECT_TRUE(parser.finished());
    ASSERT_EQ(entries.size(), 2u);
    EXPECT_EQ(entries[0].name, "a b");
    EXPECT_EQ(entries[0].size, 12);
    EXPECT_EQ(entries[0].modified, absl::FromUnixNanos(100000000005));
    EXPECT_EQ(entries[1].type, EntryType::kSymlink);
    EXPECT_EQ(entries[1].target, "/tmp");
  }
}

TEST(ListParserTest, IsNotFinishedWithoutTheEndMark) {
  ListParser parser(10);
  std::vector<DirectoryEntry> entries;
  std::string bytes = TwoEntries();
  EXPECT_TRUE(parser.Consume(bytes.substr(0, bytes.size() - 1), &entries).ok());
  EXPECT_FALSE(parser.finished());
}

TEST(ListParserTest, BoundsTheNumberOfEntries) {
  ListParser parser(1);
  std::vector<DirectoryEntry> entries;
  EXPECT_TRUE(absl::IsResourceExhausted(parser.Consume(TwoEntries(), &entries)));
  EXPECT_EQ(entries.size(), 1u);
}

TEST(ListParserTest, RefusesMalformedInput) {
  EXPECT_TRUE(Refuses(TwoEntries() + "x")) << "after the end";
  EXPECT_TRUE(Refuses(End(1))) << "wrong count";
  EXPECT_TRUE(Refuses(Bytes(Header(EntryType::kFile, 0)))) << "no name";
  EXPECT_TRUE(Refuses(Bytes(Header(EntryType::kFile, 256)))) << "long name";
  EXPECT_TRUE(Refuses(Bytes(Header(EntryType::kSymlink, 1, 4096)))) << "long target";
  EXPECT_TRUE(Refuses(Bytes(Header(EntryType::kFile, 1, 1)) + "at")) << "target of a file";
  EXPECT_TRUE(Refuses(Bytes(Header(EntryType::kFile, 2)) + "..")) << "dot dot";
  EXPECT_TRUE(Refuses(Bytes(Header(EntryType::kFile, 3)) + "a/b")) << "slash";
  EXPECT_TRUE(Refuses(Bytes(Header(EntryType::kFile, 3)) + std::string("a\0b", 3))) << "NUL";
  EXPECT_TRUE(Refuses(Bytes(Header(static_cast<EntryType>(8), 1)))) << "type";
  EntryHeader header = Header(EntryType::kFile, 1);
  header.mode = 0100644;
  EXPECT_TRUE(Refuses(Bytes(header)));
  header.mode = 0;
  header.modified_nanos = 1000000000;
  EXPECT_TRUE(Refuses(Bytes(header)));
  header.modified_nanos = 0;
  header.size = ~uint64_t{0};
  EXPECT_TRUE(Refuses(Bytes(header)));
}

}  // namespace
}  // namespace paddock::nodeagent
