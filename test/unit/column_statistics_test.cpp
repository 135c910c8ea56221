// Statistics of columns: by hand, against slow computations, and in parts.
#include "core/intermediates/column_statistics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "core/random.h"

namespace trails {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

ColumnStatistics StatisticsOf(const std::vector<float> &values, std::int64_t first_row = 0) {
  ColumnStatistics statistics;
  statistics.Add(first_row, values);
  return statistics;
}

std::vector<RowValue> TopSlowly(const std::vector<float> &values) {
  std::vector<RowValue> all;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isnan(values[i])) all.push_back({static_cast<std::int64_t>(i), values[i]});
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const RowValue &a, const RowValue &b) { return a.value > b.value; });
  all.resize(std::min<std::size_t>(all.size(), ColumnStatistics::kLargestRows));
  return all;
}

// What must be the same to the last bit, however the rows were cut, and sums to 1e-12.
void ExpectSame(const ColumnStatistics &actual, const ColumnStatistics &expected) {
  EXPECT_EQ(actual.rows, expected.rows);
  EXPECT_EQ(actual.zeros, expected.zeros);
  EXPECT_EQ(actual.not_finite, expected.not_finite);
  EXPECT_EQ(actual.nans, expected.nans);
  EXPECT_EQ(actual.least, expected.least);
  EXPECT_EQ(actual.largest, expected.largest);
  EXPECT_EQ(actual.top, expected.top);
  // Of sums of both signs the error is as large as that of the sum of magnitudes.
  const double magnitude =
      std::sqrt(expected.squares * static_cast<double>(expected.rows)) + 1e-300;
  EXPECT_NEAR(actual.sum / magnitude, expected.sum / magnitude, 1e-12);
  EXPECT_NEAR(actual.squares, expected.squares, 1e-12 * expected.squares);
}

void ExpectRight(const std::vector<float> &values) {
  ColumnStatistics expected;
  bool first = true;
  for (const float value : values) {
    ++expected.rows;
    expected.zeros += value == 0 ? 1 : 0;
    expected.nans += std::isnan(value) ? 1 : 0;
    if (!std::isfinite(value)) {
      ++expected.not_finite;
      continue;
    }
    expected.least = first ? value : std::min(expected.least, value);
    expected.largest = first ? value : std::max(expected.largest, value);
    expected.sum += static_cast<double>(value);
    expected.squares += static_cast<double>(value) * static_cast<double>(value);
    first = false;
  }
  expected.top = TopSlowly(values);
  ExpectSame(StatisticsOf(values), expected);
}

// Kinds of columns that networks have, and some that they should not have.
std::vector<std::vector<float>> Columns(std::int64_t rows) {
  RandomStream random(4);
  std::vector<std::vector<float>> columns(7);
  for (std::int64_t i = 0; i < rows; ++i) {
    const auto normal = static_cast<float>(random.Normal());
    columns[0].push_back(normal);
    columns[1].push_back(std::max(normal, 0.0f));
    columns[2].push_back(0);
    columns[3].push_back(-2.5f);
    columns[4].push_back(static_cast<float>(random.Below(5)) - 2);  // ties
    columns[5].push_back(random.Uniform() < 0.1   ? kNan
                         : random.Uniform() < 0.1 ? -kInfinity
                                                  : normal);
    columns[6].push_back(normal * (random.Uniform() < 0.01 ? 1e30f : 1));
  }
  return columns;
}

TEST(ColumnStatistics, ByHand) {
  const ColumnStatistics statistics = StatisticsOf({1, 0, -3, kNan, 2, kInfinity, -kInfinity}, 10);
  EXPECT_EQ(statistics.rows, 7);
  EXPECT_EQ(statistics.zeros, 1);
  EXPECT_EQ(statistics.not_finite, 3);
  EXPECT_EQ(statistics.nans, 1);
  EXPECT_EQ(statistics.least, -3);
  EXPECT_EQ(statistics.largest, 2);
  EXPECT_EQ(statistics.sum, 0);
  EXPECT_EQ(statistics.squares, 14);
  EXPECT_EQ(statistics.mean(), 0);
  EXPECT_DOUBLE_EQ(statistics.deviation(), std::sqrt(3.5));
  EXPECT_EQ(statistics.top,
            (std::vector<RowValue>{
                {15, kInfinity}, {14, 2}, {10, 1}, {11, 0}, {12, -3}, {16, -kInfinity}}));
}

TEST(ColumnStatistics, WithoutAFiniteValue) {
  for (const std::vector<float> &values :
       {std::vector<float>{}, std::vector<float>{kNan, kInfinity}}) {
    const ColumnStatistics statistics = StatisticsOf(values);
    EXPECT_TRUE(std::isnan(statistics.mean()));
    EXPECT_TRUE(std::isnan(statistics.deviation()));
    EXPECT_EQ(statistics.least, 0);
    EXPECT_EQ(statistics.largest, 0);
  }
  // And what is finite later counts as if it had come first.
  ColumnStatistics statistics = StatisticsOf({kNan, kInfinity});
  statistics.Add(2, std::vector<float>{-5, -4});
  EXPECT_EQ(statistics.least, -5);
  EXPECT_EQ(statistics.largest, -4);
  EXPECT_EQ(statistics.mean(), -4.5);
}

TEST(ColumnStatistics, DeviationIsNeverBelowZero) {
  // squares / rows - mean^2 of such columns is a rounding error of either sign.
  RandomStream random(10);
  for (int i = 0; i < 200; ++i) {
    const float value = random.Symmetric(10);
    const double deviation = StatisticsOf(std::vector<float>(1000, value)).deviation();
    ASSERT_GE(deviation, 0) << value;
    ASSERT_LT(deviation, 1e-6) << value;
  }
}

TEST(ColumnStatistics, AnyColumnOfAnyLength) {
  for (const std::int64_t rows : {1, 5, 15, 16, 17, 99, 100, 101, 399, 400, 401, 1000, 20'000}) {
    for (const std::vector<float> &column : Columns(rows)) ExpectRight(column);
  }
  std::vector<float> ascending(5000);
  for (std::size_t i = 0; i < ascending.size(); ++i) ascending[i] = static_cast<float>(i / 3);
  ExpectRight(ascending);
  std::reverse(ascending.begin(), ascending.end());
  ExpectRight(ascending);
}

TEST(ColumnStatistics, OfEqualValuesTheFirstRowsAreOnTop) {
  ColumnStatistics statistics;
  statistics.Add(0, std::vector<float>(60, 1.0f));
  statistics.Add(60, std::vector<float>(600, 1.0f));
  ASSERT_EQ(statistics.top.size(), 100U);
  for (std::int64_t i = 0; i < 100; ++i) {
    EXPECT_EQ(statistics.top[static_cast<std::size_t>(i)], (RowValue{i, 1.0f}));
  }
  statistics.Add(660, std::vector<float>{1.0f, 2.0f});
  EXPECT_EQ(statistics.top.front(), (RowValue{661, 2.0f}));
  EXPECT_EQ(statistics.top.back(), (RowValue{98, 1.0f}));
}

// Zeros of both signs are equal, and an infinity that comes late is still found.
TEST(ColumnStatistics, LateInfinitiesAndSignedZeros) {
  ColumnStatistics statistics;
  statistics.Add(0, std::vector<float>(100, 3.0f));
  statistics.Add(100, std::vector<float>{1.0f, kInfinity, kNan});
  EXPECT_EQ(statistics.top.front(), (RowValue{101, kInfinity}));
  EXPECT_EQ(StatisticsOf({-0.0f, 0.0f}).zeros, 2);
  EXPECT_EQ(StatisticsOf({-0.0f, 0.0f}).top.front().row, 0);
}

TEST(ColumnStatistics, PartsAreTheWhole) {
  for (const std::vector<float> &column : Columns(7'777)) {
    const ColumnStatistics whole = StatisticsOf(column);
    for (const std::size_t block : {1U, 64U, 1000U, 5000U}) {
      ColumnStatistics added;
      ColumnStatistics appended;
      for (std::size_t first = 0; first < column.size(); first += block) {
        const auto part = std::span(column).subspan(first, std::min(block, column.size() - first));
        ColumnStatistics later;
        later.Add(static_cast<std::int64_t>(first), part);
        added.Add(static_cast<std::int64_t>(first), part);
        appended.Append(later);
      }
      ExpectSame(added, whole);
      ExpectSame(appended, whole);
      // These two may be stored by different plans, and must not be told apart.
      EXPECT_EQ(added.sum, appended.sum);
      EXPECT_EQ(added.squares, appended.squares);
    }
  }
}

TEST(ColumnStatistics, AppendingNothingChangesNothing) {
  const ColumnStatistics before = StatisticsOf({-2, -1});
  ColumnStatistics after = before;
  after.Append({});
  ExpectSame(after, before);
  ColumnStatistics from_nothing;
  from_nothing.Append(before);
  ExpectSame(from_nothing, before);
}

TEST(SampledRows, AreAllOrEvenlySpread) {
  EXPECT_TRUE(SampledRows(0).empty());
  EXPECT_EQ(SampledRows(3), (std::vector<std::int64_t>{0, 1, 2}));
  for (const std::int64_t rows : {kSampleRows - 1, kSampleRows}) {
    const std::vector<std::int64_t> sampled = SampledRows(rows);
    ASSERT_EQ(std::ssize(sampled), rows);
    for (std::int64_t i = 0; i < rows; ++i) ASSERT_EQ(sampled[static_cast<std::size_t>(i)], i);
  }
  for (const std::int64_t rows :
       {kSampleRows + 1, 3 * kSampleRows - 1, std::int64_t{57'722}, std::int64_t{1} << 62}) {
    const std::vector<std::int64_t> sampled = SampledRows(rows);
    ASSERT_EQ(std::ssize(sampled), kSampleRows);
    EXPECT_EQ(sampled.front(), 0);
    const std::int64_t least = rows / kSampleRows;
    for (std::size_t i = 1; i <= sampled.size(); ++i) {
      const std::int64_t next = i < sampled.size() ? sampled[i] : rows;
      const std::int64_t gap = next - sampled[i - 1];
      ASSERT_TRUE(gap == least || gap == least + 1) << rows << ' ' << i;
    }
  }
}

}  // namespace
}  // namespace trails
