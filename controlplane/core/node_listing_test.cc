#include "controlplane/core/node_listing.h"

#include <string>

#include "gtest/gtest.h"

namespace paddock {
namespace {

TEST(NodeListingTest, HoldsEveryNodeWithItsUid) {
  const auto listing = ParseNodeListing("listing c1 7\nnode a uid-a\nnode b uid-b\nend\n");
  ASSERT_TRUE(listing.ok()) << listing.status();
  EXPECT_EQ(listing->cluster, "c1");
  EXPECT_EQ(listing->stamp, "7");
  EXPECT_EQ(listing->uids, (std::map<std::string, std::string>{{"a", "uid-a"}, {"b", "uid-b"}}));
}

TEST(NodeListingTest, WhatIsNotWholeIsNoListing) {
  for (const char* text :
       {"", "\n", "end\n", "listing c1 7\n", "listing c1 7\nend\n", "listing c1 7\nnode a uid-a\n",
        "listing c1 7\nnode a uid-a\nend", "listing c1 7\nnode a\nend\n",
        "listing c1 7\nnode a \nend\n", "listing c1\nnode a uid-a\nend\n",
        "listing  7\nnode a uid-a\nend\n", "node a uid-a\nend\n",
        "listing c1 7\nnode a uid-a\nend\nnode b uid-b\n", "listing c1 7\n\nnode a uid-a\nend\n",
        "listing c1 7\nnode a uid-a\nnode a uid-b\nend\n",
        "listing c1 7\nnode a uid-a and more\nend\n"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseNodeListing(text).status())) << text;
  }
}

TEST(NodeListingTest, OnlyAnObjectOfThisClusterWhoseNameAndUidAreGoneIsLacking) {
  const auto listing = ParseNodeListing("listing c1 7\nnode a uid-a\nend\n");
  ASSERT_TRUE(listing.ok()) << listing.status();
  EXPECT_TRUE(listing->Lacks({"c1", "b", "uid-b"}));
  EXPECT_FALSE(listing->Lacks({"c1", "a", "uid-a"}));
  EXPECT_FALSE(listing->Lacks({"c1", "a", "uid-before"})) << "the name has another object now";
  EXPECT_FALSE(listing->Lacks({"c1", "renamed", "uid-a"})) << "that object is there";
  EXPECT_FALSE(listing->Lacks({"c2", "b", "uid-b"})) << "another cluster isn't in this listing";
}

TEST(NodeObjectTest, HasThreeParts) {
  const auto object = ParseNodeObject("c1/worker-1.example/0b1e");
  ASSERT_TRUE(object.has_value());
  EXPECT_EQ(object->cluster, "c1");
  EXPECT_EQ(object->name, "worker-1.example");
  EXPECT_EQ(object->uid, "0b1e");
  for (const char* text : {"", "a", "a/b", "a//b", "/a/b", "a/b/", "a/b/c/d"}) {
    EXPECT_FALSE(ParseNodeObject(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace paddock
