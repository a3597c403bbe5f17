#include "nodeagent/egress/request_line_watch.h"

#include <gtest/gtest.h>

#include <string>

namespace paddock::nodeagent {
namespace {

// How much of the bytes passes, in pieces of `step`.
size_t Passes(const std::string& bytes, size_t step) {
  RequestLineWatch watch;
  for (size_t at = 0; at < bytes.size(); at += step) {
    const std::string piece = bytes.substr(at, step);
    const size_t passes = watch.Feed(piece);
    if (passes < piece.size()) return at + passes;
  }
  return bytes.size();
}

void ExpectStopped(const std::string& before, const std::string& after) {
  for (size_t step = 1; step < 12; ++step) {
    EXPECT_EQ(Passes(before + after, step), before.size()) << before << " by " << step;
  }
  EXPECT_EQ(Passes(before + after, before.size() + after.size()), before.size());
}

void ExpectPasses(const std::string& bytes) {
  for (size_t step : {size_t{1}, size_t{3}, size_t{4}, size_t{8}, bytes.size()}) {
    EXPECT_EQ(Passes(bytes, step), bytes.size()) << bytes.substr(0, 80) << " by " << step;
  }
}

TEST(RequestLineWatchTest, TheFirstLineNamesNoVersion) {
  ExpectStopped("(GET /s HTTP", "/1.1\r\n");
  ExpectStopped("a/b htt/ http", "/");
  ExpectStopped(std::string(5000, '\0') + "hTTp", "/");
  ExpectStopped("\r\n \n(x HTTP", "/1.1");
  ExpectPasses("(GET /s HTTP\n/1.1\n");
  ExpectPasses("(GET /s htt");
  ExpectPasses("ttp/ttp/h/hh/");
}

TEST(RequestLineWatchTest, ALaterLineIsStoppedIfItBeginsWithAMethod) {
  ExpectStopped("junk\nGET /s HTTP", "/1.1");
  ExpectStopped("junk\r\n\t options\t* http", "/1.1");
  ExpectStopped(std::string("\1\n\n", 3) + std::string(4000, 'x') + "\nDELETE /s HTTP", "/1.1");
  // Of a line that begins near enough, the end is awaited however far it is.
  ExpectStopped("junk\nGET /" + std::string(9000, 'x') + " HTTP", "/1.1");
  ExpectPasses("junk\nGETS /s HTTP/1.1\n");
  ExpectPasses("junk\nx GET /s HTTP/1.1\n");
  ExpectPasses("junk\nGET /s\nHTTP/1.1\n");
  ExpectPasses("junk\n" + std::string(5000, 'x') + "\nGET / HTTP/1.1\n");
}

TEST(RequestLineWatchTest, TheServersAnswerEndsItButNotForTheFirstLine) {
  RequestLineWatch watch;
  EXPECT_EQ(watch.Feed("(GET"), 4u);
  watch.SeeServer();
  EXPECT_FALSE(watch.done());
  EXPECT_EQ(watch.Feed(" / HTTP/1.1\n"), 7u);
  RequestLineWatch other;
  EXPECT_EQ(other.Feed("(GET\n"), 5u);
  EXPECT_FALSE(other.done());
  other.SeeServer();
  EXPECT_TRUE(other.done());
}

TEST(RequestLineWatchTest, ItEndsByItselfWithoutAnAnswer) {
  RequestLineWatch watch;
  const std::string bytes = "\1\n" + std::string(5000, 'x');
  EXPECT_EQ(watch.Feed(bytes), bytes.size());
  EXPECT_TRUE(watch.done());
  RequestLineWatch binary;
  EXPECT_EQ(binary.Feed(std::string(100'000, '\0')), 100'000u);
  EXPECT_FALSE(binary.done()) << "a first line may be long";
}

}  // namespace
}  // namespace paddock::nodeagent
