#include "controlplane/rest/json_body.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "common/error_details.h"

namespace paddock {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string MessageOf(absl::string_view body) {
  return std::string(ParseJsonBody(body).status().message());
}

TEST(JsonBodyTest, BuildsTheSameAsThePlainParser) {
  for (const char* text :
       {"null", "1", "-7", "1.5", "\"x\"", "[]", "{}", R"({"a": [1, {"b": [[]]}, "c"], "d": null})",
        R"({"big": 18446744073709551615, "e": 1e300, "u": "é\n"})"}) {
    const auto value = ParseJsonBody(text);
    ASSERT_TRUE(value.ok()) << value.status();
    EXPECT_EQ(*value, nlohmann::json::parse(text)) << text;
  }
}

TEST(JsonBodyTest, NamesTheKeyThatIsThereTwice) {
  EXPECT_EQ(MessageOf(R"({"a": 1, "a": 1})"), "a: is there twice");
  EXPECT_EQ(MessageOf(R"({"a": [0, {"b": {"c": 1, "c": 2}}]})"), "a[1].b.c: is there twice");
  EXPECT_TRUE(ParseJsonBody(R"({"a": {"b": 1}, "c": {"b": 1}})").ok());
}

TEST(JsonBodyTest, SaysWhereABodyIsNoJson) {
  for (const std::string& text :
       {std::string("{"), std::string("{\"a\": }"), std::string("[1] 2"), std::string("\xff"),
        std::string("{\"a\": \"\xc0\x80\"}"), std::string("{\"a\0\": 1}", 9), std::string("NaN"),
        std::string("1e999"), std::string("'a'"), std::string("{\"a\": 1,}")}) {
    const absl::Status status = ParseJsonBody(text).status();
    EXPECT_EQ(ReasonOf(status), ErrorReason::kMalformedRequest) << text;
    EXPECT_THAT(std::string(status.message()), HasSubstr("wrong at byte")) << text;
  }
  EXPECT_THAT(MessageOf(R"({"a": {"b": [1, tru]}})"), HasSubstr("in a.b[1]"));
  EXPECT_THAT(MessageOf(R"({"name": "a",})"), EndsWith("wrong at byte 14"));
  EXPECT_THAT(MessageOf(R"({'name': 1})"), EndsWith("wrong at byte 2"));
  EXPECT_THAT(MessageOf(R"({"config": {"type": "cloud",}})"), EndsWith(", in config"));
  EXPECT_THAT(MessageOf(""), StartsWith("the body is empty"));
}

TEST(JsonBodyTest, DepthAndNumberOfValuesAreBounded) {
  const std::string fits = std::string(kMaxJsonDepth, '[') + std::string(kMaxJsonDepth, ']');
  EXPECT_TRUE(ParseJsonBody(fits).ok());
  EXPECT_THAT(MessageOf("[" + fits + "]"), HasSubstr("64 levels"));
  EXPECT_THAT(MessageOf(std::string(1'000'000, '[')), HasSubstr("64 levels"));
  std::string many = "[0";
  for (size_t i = 0; i < kMaxJsonValues; ++i) many += ",0";
  EXPECT_THAT(MessageOf(many + "]"), HasSubstr("values"));
}

}  // namespace
}  // namespace paddock
