#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "columns_by_hand.h"

namespace trails {
namespace {

using test::FloatColumn;
using test::IntegerColumn;
using test::kNull;
using test::TextColumn;

TEST(Column, KeepsIntegersAcrossWidening) {
  Column column("c", ColumnKind::kInteger, "bigint");
  constexpr std::int64_t kRows = 200'000;  // several blocks before the value that needs 8 bytes
  for (std::int64_t row = 0; row < kRows; ++row) {
    if (row % 1000 == 7) {
      column.AppendNull();
    } else {
      column.AppendInteger(row - 5);
    }
  }
  const std::int64_t narrow_bytes = column.bytes();
  // The smallest int32 stands for NULL while narrow, so as a value it needs 8 bytes.
  column.AppendInteger(std::numeric_limits<std::int32_t>::min());
  column.AppendInteger(std::numeric_limits<std::int64_t>::max());
  ASSERT_EQ(column.rows(), kRows + 2);
  for (std::int64_t row = 0; row < kRows; ++row) {
    ASSERT_EQ(column.is_null(row), row % 1000 == 7) << row;
    ASSERT_EQ(column.integer(row), row % 1000 == 7 ? Column::kNullInteger : row - 5) << row;
  }
  EXPECT_EQ(column.integer(kRows), std::numeric_limits<std::int32_t>::min());
  EXPECT_FALSE(column.is_null(kRows));
  EXPECT_EQ(column.integer(kRows + 1), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(column.bytes(), 2 * narrow_bytes);
}

TEST(Column, KeepsFloatsExactlyAcrossWidening) {
  const Column column = FloatColumn("c", {0.5, kNull, -1e30F, 0.1, 1e300, 0.25});
  EXPECT_EQ(column.number(0), 0.5);
  EXPECT_TRUE(column.is_null(1));
  EXPECT_EQ(column.number(2), static_cast<double>(-1e30F));
  EXPECT_EQ(column.number(3), 0.1);
  EXPECT_EQ(column.number(4), 1e300);
  EXPECT_EQ(column.number(5), 0.25);
}

TEST(Column, InfinityAndNumbersOfIntegers) {
  const Column floats = FloatColumn("c", {std::numeric_limits<double>::infinity()});
  EXPECT_TRUE(std::isinf(floats.number(0)));
  const Column integers = IntegerColumn("c", {7, std::nullopt});
  EXPECT_EQ(integers.number(0), 7.0);
  EXPECT_TRUE(std::isnan(integers.number(1)));
}

TEST(Column, GivesEachTextOneCodeAlsoAfterAMove) {
  Column column = TextColumn("c", {"b", "", std::nullopt, "b", "a longer text, kept on the heap"});
  const Column moved = std::move(column);
  EXPECT_EQ(moved.code(0), 0);
  EXPECT_EQ(moved.code(1), 1);
  EXPECT_EQ(moved.code(2), -1);
  EXPECT_EQ(moved.code(3), 0);
  ASSERT_EQ(moved.dictionary().size(), 3U);
  EXPECT_EQ(moved.dictionary()[0], "b");
  EXPECT_EQ(moved.dictionary()[1], "");
  EXPECT_EQ(moved.dictionary()[2], "a longer text, kept on the heap");
}

TEST(Column, SharesOneCodeBeyondTheDictionary) {
  Column column("c", ColumnKind::kText, "text");
  for (std::int32_t i = 0; i < Column::kMaxDistinct + 2; ++i) column.AppendText(std::to_string(i));
  column.AppendText("17");
  EXPECT_EQ(column.dictionary().size(), static_cast<std::size_t>(Column::kMaxDistinct));
  EXPECT_EQ(column.code(Column::kMaxDistinct - 1), Column::kMaxDistinct - 1);
  EXPECT_EQ(column.code(Column::kMaxDistinct), Column::kOverflowCode);
  EXPECT_EQ(column.code(Column::kMaxDistinct + 1), Column::kOverflowCode);
  EXPECT_EQ(column.code(Column::kMaxDistinct + 2), 17);
}

TEST(Column, ReleasesBlocksAndAll) {
  Column column("c", ColumnKind::kInteger, "integer");
  for (std::int64_t row = 0; row < 3 * BlockedArray<std::int32_t>::kBlockValues; ++row) {
    column.AppendInteger(row);
  }
  const std::int64_t bytes = column.bytes();
  column.ReleaseBlock(1);
  EXPECT_EQ(column.bytes(), bytes / 3 * 2);
  EXPECT_EQ(column.integer(5), 5);
  EXPECT_EQ(column.integer(2 * BlockedArray<std::int32_t>::kBlockValues), 131'072);
  column.ReleaseBlock(99);  // beyond the last: nothing
  column.Release();
  EXPECT_EQ(column.bytes(), 0);
  EXPECT_EQ(column.name(), "c");
  EXPECT_EQ(column.rows(), 3 * BlockedArray<std::int32_t>::kBlockValues);
}

}  // namespace
}  // namespace trails
