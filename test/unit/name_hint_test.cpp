// Names in hints: lists that end.
#include "core/space/name_hint.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace trails {
namespace {

TEST(NameHint, ShortListsAreWhole) {
  EXPECT_EQ(ListNames(std::vector<std::string>()), "");
  EXPECT_EQ(ListNames(std::vector<std::string>{"a"}), "a");
  EXPECT_EQ(ListNames(std::vector<std::string>{"a", "b", "c"}), "a, b, c");
}

TEST(NameHint, LongListsSayHowManyMore) {
  std::vector<std::string> names;
  for (int i = 0; i < 10; ++i) names.push_back(std::to_string(i));
  EXPECT_EQ(ListNames(names), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9");
  EXPECT_EQ(ListNames(names, 1), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 1 more");
  names.insert(names.end(), {"x", "y"});
  EXPECT_EQ(ListNames(names), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more");
  EXPECT_EQ(ListNames(names, 90), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 92 more");
}

}  // namespace
}  // namespace trails
