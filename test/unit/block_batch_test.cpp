// Batches of blocks: every chosen row once, in memory that is theirs.
#include "core/intermediates/block_batch.h"

#include <gtest/gtest.h>

#include <numeric>
#include <set>
#include <vector>

namespace trails {
namespace {

TEST(BlockBatch, GivesEveryBlockOnce) {
  const RowChoice choice(3'500, {});
  BlockBatch batch(choice, 3, 2);
  EXPECT_EQ(batch.most_blocks(), 2U);
  std::vector<std::size_t> counts;
  std::vector<std::int64_t> first_rows;
  std::int64_t rows = 0;
  for (;;) {
    const auto blocks = batch.Next();
    counts.push_back(blocks.size());
    if (blocks.empty()) break;
    for (const ValueBlock &block : blocks) {
      EXPECT_EQ(block.index, first_rows.size());
      first_rows.push_back(block.first_row);
      rows += std::ssize(block.rows);
    }
  }
  EXPECT_EQ(counts, (std::vector<std::size_t>{2, 2, 0}));
  EXPECT_EQ(first_rows, (std::vector<std::int64_t>{0, 1'000, 2'000, 3'000}));
  EXPECT_EQ(rows, 3'500);
  EXPECT_TRUE(batch.Next().empty());
}

TEST(BlockBatch, KeepsTheValuesOfABatchApart) {
  const RowChoice choice(5'000, {7, 1'000, 1'999, 4'000, 4'001, 4'002});
  BlockBatch batch(choice, 4, 16);
  const auto blocks = batch.Next();
  ASSERT_EQ(blocks.size(), 3U);
  EXPECT_EQ(blocks[0].rows, std::vector<std::int32_t>{7});
  EXPECT_EQ(blocks[1].rows, (std::vector<std::int32_t>{0, 999}));
  EXPECT_EQ(blocks[2].rows, (std::vector<std::int32_t>{0, 1, 2}));
  EXPECT_EQ(blocks[2].index, 2U);
  EXPECT_EQ(blocks[2].first_row, 4'000);
  float number = 0;
  for (const ValueBlock &block : blocks) {
    for (std::int64_t column = 0; column < 4; ++column) {
      for (float &value : block.column(column)) value = ++number;
    }
  }
  std::set<float> seen;
  for (const ValueBlock &block : blocks) {
    for (std::int64_t column = 0; column < 4; ++column) {
      const auto values = block.column(column);
      ASSERT_EQ(values.size(), block.rows.size());
      seen.insert(values.begin(), values.end());
    }
  }
  EXPECT_EQ(seen.size(), 24U);
}

TEST(BlockBatch, UsesItsMemoryAgain) {
  const RowChoice choice(4'000, {});
  BlockBatch batch(choice, 10, 2);
  const float *const first = batch.Next().front().values;
  EXPECT_EQ(batch.Next().front().values, first);
}

TEST(BlockBatch, StaysWithinItsMemory) {
  const RowChoice choice(40'000, {});
  // 4 kB a column and block.
  EXPECT_EQ(BlockBatch(choice, 16, 16).most_blocks(), 16U);
  EXPECT_EQ(BlockBatch(choice, 4'000, 16).most_blocks(), 4U);
  EXPECT_EQ(BlockBatch(choice, 100'000, 16).most_blocks(), 1U);
  EXPECT_EQ(BlockBatch(choice, 0, 0).most_blocks(), 1U);
}

}  // namespace
}  // namespace trails
