// Which rows of which blocks: positions by hand.
#include "core/intermediates/row_choice.h"

#include <gtest/gtest.h>

#include <numeric>

#include "trails/error.h"

namespace trails {
namespace {

using Positions = std::vector<std::int32_t>;

TEST(RowChoice, NoRowsNamedMeansAllOfThem) {
  const RowChoice choice(2'345, {});
  EXPECT_TRUE(choice.is_all());
  EXPECT_EQ(choice.rows(), 2'345);
  EXPECT_EQ(choice.all_blocks(), 3);
  EXPECT_EQ(choice.blocks(), (Positions{0, 1, 2}));
  EXPECT_EQ(choice.first_row(2), 2'000);
  EXPECT_EQ(choice.block_rows(1), 1'000);
  EXPECT_EQ(choice.block_rows(2), 345);
  Positions last(345);
  std::iota(last.begin(), last.end(), 0);
  EXPECT_EQ(choice.RowsOf(2), last);
}

TEST(RowChoice, ScatteredRowsTouchTheirBlocksOnly) {
  const RowChoice choice(10'000, {0, 999, 1'000, 7'321, 9'999});
  EXPECT_FALSE(choice.is_all());
  EXPECT_EQ(choice.rows(), 5);
  EXPECT_EQ(choice.all_blocks(), 10);
  EXPECT_EQ(choice.blocks(), (Positions{0, 1, 7, 9}));
  EXPECT_EQ(choice.RowsOf(0), (Positions{0, 999}));
  EXPECT_EQ(choice.RowsOf(1), (Positions{0}));
  EXPECT_EQ(choice.RowsOf(2), (Positions{321}));
  EXPECT_EQ(choice.RowsOf(3), (Positions{999}));
  EXPECT_EQ(choice.first_row(3), 9'000);
}

TEST(RowChoice, ExactBlocksHaveNoEmptyOneAfterThem) {
  const RowChoice choice(3'000, {});
  EXPECT_EQ(choice.all_blocks(), 3);
  EXPECT_EQ(choice.block_rows(2), 1'000);
}

TEST(RowChoice, RefusesRowsThatDoNotAscendOrLieOutside) {
  EXPECT_THROW(RowChoice(10, {3, 3}), Error);
  EXPECT_THROW(RowChoice(10, {4, 3}), Error);
  EXPECT_THROW(RowChoice(10, {10}), Error);
  EXPECT_THROW(RowChoice(10, {-1}), Error);
}

}  // namespace
}  // namespace trails
