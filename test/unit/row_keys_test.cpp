// Keys of logged rows: which name a row, and which are the same in two data sets.
#include "core/intermediates/row_keys.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

namespace trails {
namespace {

using Keys = std::vector<std::optional<std::string_view>>;

RowKeys Of(const Keys &keys) {
  RowKeys rows;
  for (const auto &key : keys) rows.Add(key);
  return rows;
}

void NoPoll() {}

TEST(RowKeysTest, CountsNullsAndEveryRowOfAKeyThatSeveralHave) {
  RowKeys keys = Of({"1", {}, "2", "1", "3", {}, "1", ""});
  EXPECT_EQ(keys.rows(), 8);
  EXPECT_EQ(keys.nulls(), 2);
  EXPECT_EQ(keys.CountRepeated(NoPoll), 3);
}

TEST(RowKeysTest, MatchesRowsWhateverTheirOrder) {
  RowKeys a = Of({"u", "v", "w"});
  RowKeys b = Of({"w", "x", "u", "y"});
  const KeyMatch match = MatchKeys(&a, &b, NoPoll);
  EXPECT_EQ(match.partner, (std::vector<std::int64_t>{2, -1, 0}));
  EXPECT_EQ(match.pairs, 2);
  EXPECT_EQ(match.nameless_a, 0);
  EXPECT_EQ(match.nameless_b, 0);
}

TEST(RowKeysTest, MatchesNoRowOfAKeyThatNamesNone) {
  RowKeys a = Of({{}, "u", "v", "w", "v"});
  RowKeys b = Of({{}, "u", "v", "w", "w", "w"});
  const KeyMatch match = MatchKeys(&a, &b, NoPoll);
  EXPECT_EQ(match.partner, (std::vector<std::int64_t>{-1, 1, -1, -1, -1}));
  EXPECT_EQ(match.pairs, 1);
  EXPECT_EQ(match.nameless_a, 3);
  EXPECT_EQ(match.nameless_b, 4);
}

TEST(RowKeysTest, MatchesManyRows) {
  constexpr std::int64_t kRows = 20'000;
  RowKeys a;
  RowKeys b;
  for (std::int64_t i = 0; i < kRows; ++i) a.Add(std::to_string(i));
  for (std::int64_t i = 0; i < kRows; ++i) b.Add(std::to_string(2 * (kRows - 1 - i)));
  const KeyMatch match = MatchKeys(&a, &b, NoPoll);
  EXPECT_EQ(match.pairs, kRows / 2);
  for (std::int64_t i = 0; i < kRows; ++i) {
    ASSERT_EQ(match.partner[static_cast<std::size_t>(i)], i % 2 != 0 ? -1 : kRows - 1 - i / 2);
  }
}

TEST(RowKeysTest, EndsWhenThePollThrows) {
  RowKeys a = Of({"1"});
  RowKeys b = Of({"1"});
  EXPECT_THROW(MatchKeys(&a, &b, [] { throw std::runtime_error("cancelled"); }),
               std::runtime_error);
  EXPECT_THROW(a.CountRepeated([] { throw std::runtime_error("cancelled"); }), std::runtime_error);
}

}  // namespace
}  // namespace trails
