#include "core/refinement/batch_order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <map>
#include <numeric>
#include <vector>

#include "chi_square.h"

namespace trails {
namespace {

std::vector<std::int32_t> RowsFrom(std::int32_t first, std::int64_t count) {
  std::vector<std::int32_t> rows(static_cast<std::size_t>(count));
  std::iota(rows.begin(), rows.end(), first);
  return rows;
}

std::vector<std::int32_t> Epoch(BatchOrder *order) {
  std::vector<std::int32_t> seen;
  for (std::int64_t step = 0; step < order->steps_per_epoch(); ++step) {
    const std::int32_t *const batch = order->Next();
    seen.insert(seen.end(), batch, batch + order->batch());
  }
  return seen;
}

TEST(BatchOrder, AnEpochHoldsEachRowAtMostOnceAndAllWhereBatchesFit) {
  for (const std::int64_t count : {20, 127, 128, 129, 1'000, 1'024, 1'025, 70'000}) {
    const std::vector<std::int32_t> rows = RowsFrom(1'000'000, count);
    for (const std::int64_t batch : {std::int64_t{1}, std::int64_t{7}, std::int64_t{20}, count}) {
      BatchOrder order(rows, batch, 5);
      for (int epoch = 0; epoch < 3; ++epoch) {
        std::vector<std::int32_t> seen = Epoch(&order);
        std::sort(seen.begin(), seen.end());
        EXPECT_EQ(std::adjacent_find(seen.begin(), seen.end()), seen.end());
        EXPECT_GE(seen.front(), rows.front());
        EXPECT_LE(seen.back(), rows.back());
        EXPECT_EQ(std::ssize(seen), count / batch * batch);
        if (count % batch == 0) {
          EXPECT_EQ(seen, rows) << count << " rows by " << batch;
        }
      }
    }
  }
}

// Uniform counts stay below the mean of their statistic plus five standard deviations.
double ChiSquareBound(std::int64_t cells) {
  const auto freedom = static_cast<double>(cells - 1);
  return freedom + 5 * std::sqrt(2 * freedom);
}

// The row that comes first and the one after it, over seeds and over epochs.
TEST(BatchOrder, PairsAreUniform) {
  constexpr std::int64_t kRows = 20;
  constexpr int kDraws = 40'000;
  const std::vector<std::int32_t> rows = RowsFrom(0, kRows);
  std::map<std::int64_t, double> by_seed, by_epoch;
  BatchOrder epochs(rows, kRows, 1);
  for (int draw = 0; draw < kDraws; ++draw) {
    BatchOrder order(rows, kRows, static_cast<std::uint64_t>(draw));
    const std::int32_t *batch = order.Next();
    ++by_seed[batch[0] * kRows + batch[1]];
    batch = epochs.Next();
    ++by_epoch[batch[0] * kRows + batch[1]];
  }
  constexpr std::int64_t kPairs = kRows * (kRows - 1);
  EXPECT_LT(test::ChiSquare(by_seed, kPairs, kDraws), ChiSquareBound(kPairs));
  EXPECT_LT(test::ChiSquare(by_epoch, kPairs, kDraws), ChiSquareBound(kPairs));
}

// Of a large table, the rows of one batch are spread evenly, and so are the gaps of neighbours.
TEST(BatchOrder, ABatchOfALargeTableIsSpread) {
  constexpr std::int64_t kRows = 3'000'000;
  constexpr std::int64_t kParts = 32;
  constexpr std::int64_t kBatch = 2'048;
  constexpr int kBatches = 20;
  const std::vector<std::int32_t> rows = RowsFrom(0, kRows);
  std::map<std::int64_t, double> parts, gaps;
  BatchOrder order(rows, kBatch, 7);
  for (int b = 0; b < kBatches; ++b) {
    const std::int32_t *const batch = order.Next();
    for (std::int64_t i = 0; i < kBatch; ++i) {
      ++parts[batch[i] * kParts / kRows];
      const std::int64_t gap = (batch[i] - batch[(i + 1) % kBatch] + kRows) % kRows;
      ++gaps[gap * kParts / kRows];
    }
  }
  EXPECT_LT(test::ChiSquare(parts, kParts, kBatch * kBatches), ChiSquareBound(kParts));
  EXPECT_LT(test::ChiSquare(gaps, kParts, kBatch * kBatches), ChiSquareBound(kParts));
}

TEST(BatchOrder, SameSeedSameOrderOtherSeedOtherOrder) {
  const std::vector<std::int32_t> rows = RowsFrom(0, 500);
  BatchOrder a(rows, 100, 1), b(rows, 100, 1), c(rows, 100, 2);
  const std::vector<std::int32_t> first = Epoch(&a);
  EXPECT_EQ(first, Epoch(&b));
  EXPECT_NE(first, Epoch(&c));
  EXPECT_NE(first, Epoch(&a)) << "the next epoch has an order of its own";
}

}  // namespace
}  // namespace trails
