#include "controlplane/core/text_rules.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "controlplane/core/metadata_patch.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace paddock {
namespace {

using testing::HasSubstr;

std::string Times(int count, absl::string_view text) {
  std::string result;
  for (int i = 0; i < count; ++i) absl::StrAppend(&result, text);
  return result;
}

absl::Status Name(absl::string_view name) {
  Violations violations;
  CheckName("name", name, &violations);
  return violations.ToStatus();
}

TEST(TextRulesTest, NamesOfAnyScriptAndEmojiAreFine) {
  const std::string names[] = {
      "a",
      "python-dev",
      "日本語の環境",
      "среда",
      "بيئة",
      "👩‍👩‍👧‍👦 family",
      "with space",
      " leading",
      "quote\"'`$(rm)",
      "%s%n",
      Times(256, "x"),
      Times(256, "😀"),
      Times(256, "語"),
  };
  for (const std::string& name : names) EXPECT_TRUE(Name(name).ok()) << Name(name);
}

TEST(TextRulesTest, OtherNamesAreRefusedWithTheRule) {
  const std::pair<std::string, const char*> cases[] = {
      {"", "name: is required: 1 to 256 characters"},
      {Times(257, "x"), "name: must have 1 to 256 characters"},
      {Times(257, "😀"), "name: must have 1 to 256 characters"},
      {Times(1 << 22, "x"), "name: must have 1 to 256 characters"},
      {"a\nb", "name: must not hold control characters"},
      {std::string("a\0b", 3), "name: must not hold control characters"},
      {"a\x7f", "name: must not hold control characters"},
      {"a\u0085", "name: must not hold control characters"},
      {"   ", "name: must hold more than white space"},
      {"\u3000\u00a0", "name: must hold more than white space"},
      {"\xff", "name: must be valid UTF-8"},
      {"\xed\xa0\x80", "name: must be valid UTF-8"},
  };
  for (const auto& [name, message] : cases) {
    const absl::Status status = Name(name);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(status.message(), message);
    EXPECT_EQ(ViolationsOf(status).at(0).field, "name");
  }
}

TEST(TextRulesTest, DescriptionsCountCharactersAndTakeLineBreaks) {
  const auto check = [](const std::string& text) {
    Violations violations;
    CheckDescription(text, &violations);
    return violations.ToStatus();
  };
  EXPECT_TRUE(check("").ok());
  EXPECT_TRUE(check("line\nbreak\ttab").ok());
  EXPECT_TRUE(check(Times(4096, "é")).ok());
  EXPECT_EQ(check(Times(4097, "é")).message(), "description: must have at most 4,096 characters");
  EXPECT_EQ(check(std::string("a\0", 2)).message(), "description: must not hold the NUL character");
}

TEST(TextRulesTest, TitlesAndRequestIdsAreBounded) {
  Violations violations;
  CheckTitle(Times(256, "t"), &violations);
  CheckRequestId(Times(128, "r"), &violations);
  CheckRequestId("", &violations);
  EXPECT_TRUE(violations.empty());
  CheckTitle(Times(257, "t"), &violations);
  CheckRequestId(Times(129, "r"), &violations);
  EXPECT_EQ(violations.ToStatus().message(),
            "title: must have at most 256 characters; request_id: must have at most 128 "
            "characters");
}

absl::Status CheckPairs(const Metadata& metadata) {
  Violations violations;
  CheckMetadata(metadata, &violations);
  return violations.ToStatus();
}

TEST(TextRulesTest, MetadataWithinItsBoundsIsFine) {
  Metadata metadata;
  for (int i = 0; i < 16; ++i) {
    metadata[absl::StrCat(Times(62, "ключ").substr(0, 124), i / 10, i % 10)] = Times(512, "ü");
  }
  EXPECT_EQ(metadata.size(), 16u);
  EXPECT_TRUE(CheckPairs(metadata).ok()) << CheckPairs(metadata);
  EXPECT_TRUE(CheckPairs({{"empty value", ""}, {"lines", "a\nb"}}).ok());
  EXPECT_TRUE(CheckPairs({}).ok());
}

TEST(TextRulesTest, MetadataViolationsNameThePair) {
  const std::pair<Metadata, const char*> cases[] = {
      {{{"", "v"}}, "metadata[\"\"]: the key must have 1 to 64 characters"},
      {{{Times(65, "k"), "v"}}, "the key must have 1 to 64 characters"},
      {{{"k\n", "v"}}, "metadata[\"k\\u000a\"]: the key must have"},
      {{{"key", Times(513, "v")}}, "metadata[\"key\"]: must have at most 512 characters"},
      {{{"key", "\xff"}}, "metadata[\"key\"]: must be valid UTF-8"},
  };
  for (const auto& [metadata, message] : cases) {
    const absl::Status status = CheckPairs(metadata);
    EXPECT_EQ(ReasonOf(status), ErrorReason::kInvalidMetadata);
    EXPECT_THAT(std::string(status.message()), HasSubstr(message));
  }
}

TEST(TextRulesTest, AMetadataBombIsOneSmallViolation) {
  Metadata many;
  for (int i = 0; i < 100'000; ++i) many[absl::StrCat("key", i)] = "v";
  EXPECT_EQ(CheckPairs(many).message(), "metadata: must have at most 16 pairs, has 100000");
  const absl::Status huge = CheckPairs({{Times(1 << 20, "k"), Times(3 << 20, "v")}});
  EXPECT_LT(huge.message().size(), 1000u);
  EXPECT_EQ(ViolationsOf(huge).size(), 2u);
}

TEST(ViolationsTest, CollectsABoundedNumber) {
  Violations violations;
  EXPECT_TRUE(violations.ToStatus().ok());
  for (int i = 0; i < 1000; ++i) violations.Add(absl::StrCat("f", i), "rule");
  EXPECT_TRUE(violations.full());
  EXPECT_EQ(ViolationsOf(violations.ToStatus()).size(), Violations::kMax);
}

TEST(MetadataPatchTest, MergesAndDeletesByNullOrEmpty) {
  MetadataPatch patch;
  patch.entries = {{"set", "new"}, {"null", std::nullopt}, {"empty", ""}, {"absent", ""}};
  EXPECT_EQ(ApplyMetadataPatch(patch, {{"set", "old"}, {"null", "x"}, {"empty", "x"}, {"k", "v"}}),
            (Metadata{{"set", "new"}, {"k", "v"}}));
}

TEST(MetadataPatchTest, ReplacesAsAWholeAndKeepsEmptyValues) {
  MetadataPatch patch;
  patch.replace = true;
  patch.entries = {{"a", ""}, {"b", "1"}, {"c", std::nullopt}};
  EXPECT_EQ(ApplyMetadataPatch(patch, {{"old", "x"}}), (Metadata{{"a", ""}, {"b", "1"}}));
}

TEST(MetadataPatchTest, TheDefaultKeepsEverything) {
  EXPECT_EQ(ApplyMetadataPatch({}, {{"k", "v"}}), (Metadata{{"k", "v"}}));
}

TEST(MetadataPatchTest, APatchOfTooManyEntriesIsRefusedBeforeItIsApplied) {
  MetadataPatch patch;
  for (int i = 0; i < 16; ++i) patch.entries[absl::StrCat("new", i)] = "v";
  for (int i = 0; i < 16; ++i) patch.entries[absl::StrCat("old", i)] = std::nullopt;
  Violations violations;
  CheckMetadataPatch(patch, &violations);
  EXPECT_TRUE(violations.empty()) << "all pairs can be exchanged at once";
  for (int i = 0; i < 50'000; ++i) patch.entries[absl::StrCat("bomb", i)] = "v";
  CheckMetadataPatch(patch, &violations);
  EXPECT_EQ(ReasonOf(violations.ToStatus()), ErrorReason::kInvalidMetadata);
}

}  // namespace
}  // namespace paddock
