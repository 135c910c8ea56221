#include "core/data/number_fit.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "columns_by_hand.h"
#include "core/random.h"

namespace trails {
namespace {

using test::AllRows;
using test::FloatColumn;
using test::kNull;
using test::Repeat;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// The recipe's knots once more, from its words: counts in a map, quantiles from a full copy.
std::vector<double> SlowKnots(const std::vector<double> &values, std::size_t wanted) {
  std::map<double, std::size_t> counts;
  for (const double value : values) ++counts[value];
  std::vector<double> knots{counts.begin()->first, counts.rbegin()->first};
  std::vector<double> rest;
  std::size_t heavy = 0;
  for (const auto &[value, count] : counts) {
    if (static_cast<double>(count) >=
        static_cast<double>(values.size()) / static_cast<double>(wanted)) {
      knots.push_back(value);
      ++heavy;
    } else {
      for (std::size_t i = 0; i < count; ++i) rest.push_back(value);
    }
  }
  const std::size_t bins = heavy + 8 > wanted ? 8 : wanted - heavy;
  for (std::size_t i = 0; i <= bins && !rest.empty(); ++i) {
    const double position =
        static_cast<double>(i) * static_cast<double>(rest.size() - 1) / static_cast<double>(bins);
    const auto below = static_cast<std::size_t>(std::floor(position));
    const std::size_t above = std::min(below + 1, rest.size() - 1);
    const double part = position - std::floor(position);
    knots.push_back(rest[below] * (1 - part) + rest[above] * part);
  }
  std::sort(knots.begin(), knots.end());
  // Quantiles computed in another order differ in the last bit from a value they hit.
  std::vector<double> distinct;
  for (const double knot : knots) {
    if (distinct.empty() || knot - distinct.back() > 1e-9) distinct.push_back(knot);
  }
  return distinct;
}

TEST(QuantileKnots, AreTheValuesOfASmallColumn) {
  // 5 values, each at least 1/48 of the rows: all are heavy, nothing is left for quantiles.
  const Column column = FloatColumn("c", {0.5, 2.5, 2.5, 8.25, -1, 3.5, kNull});
  const SortedNumbers numbers = SortNumbers(column, AllRows(column.rows()));
  EXPECT_EQ(QuantileKnots(numbers, 48), (std::vector<double>{-1, 0.5, 2.5, 3.5, 8.25}));
  Field field;
  FitNumber(numbers, Encoding::kPiecewiseLinear, 48, &field);
  // Sorted -1 .5 2.5 2.5 3.5 8.25: median 2.5; quartiles at 1.25 and 3.75: 1.0 and 3.25.
  EXPECT_DOUBLE_EQ(field.center, 2.5);
  EXPECT_DOUBLE_EQ(field.scale, 2.25);
  EXPECT_EQ(field.knots, (std::vector<float>{
                             static_cast<float>(-3.5 / 2.25), static_cast<float>(-2.0 / 2.25), 0.0F,
                             static_cast<float>(1.0 / 2.25), static_cast<float>(5.75 / 2.25)}));
  EXPECT_TRUE(field.soft_clip);
}

TEST(QuantileKnots, AreFortyNineQuantilesWithoutHeavyValues) {
  std::vector<double> values;
  for (int i = 0; i <= 480; ++i) values.push_back(i + 0.5);
  const std::vector<double> knots =
      QuantileKnots(SortNumbers(FloatColumn("c", values), AllRows(481)), 48);
  ASSERT_EQ(knots.size(), 49U);
  for (std::size_t i = 0; i < knots.size(); ++i) {
    EXPECT_NEAR(knots[i], 10.0 * static_cast<double>(i) + 0.5, 1e-10);
  }
}

TEST(QuantileKnots, KeepQuantilesBesideAHeavyZero) {
  // 900 zeros and 100 others: plain quantiles would put 43 of 49 knots at 0.
  std::vector<double> values(900, 0.0);
  for (int i = 0; i < 100; ++i) values.push_back(1000 + i + 0.5);
  const std::vector<double> knots =
      QuantileKnots(SortNumbers(FloatColumn("c", values), AllRows(1000)), 48);
  ASSERT_EQ(knots.size(), 49U);  // 0 and the 48 ends of 47 bins
  EXPECT_EQ(knots[0], 0);
  EXPECT_EQ(knots[1], 1000.5);
  EXPECT_NEAR(knots[2], 1000.5 + 99.0 / 47, 1e-9);
  EXPECT_EQ(knots[48], 1099.5);
}

TEST(QuantileKnots, AHeavyValueHoldsExactlyOneInFortyEight) {
  for (const int count : {10, 9}) {
    std::vector<double> values;
    Repeat(&values, 3.25, static_cast<std::size_t>(count));
    for (int i = 0; i < 480 - count; ++i) values.push_back(100 + i * 0.7);
    const std::vector<double> knots =
        QuantileKnots(SortNumbers(FloatColumn("c", values), AllRows(480)), 48);
    // A heavy 3.25 is not among the rest, whose quantiles then begin at 100.
    EXPECT_EQ(std::count(knots.begin(), knots.end(), 100.0), count == 10 ? 1 : 0) << count;
    EXPECT_EQ(knots.front(), 3.25);
  }
}

TEST(QuantileKnots, AgreeWithASlowComputation) {
  RandomStream random(77);
  for (int trial = 0; trial < 40; ++trial) {
    std::vector<double> values;
    const std::int64_t rows = 30 + random.Below(3000);
    const std::int32_t bins = trial % 3 == 0 ? 192 : 48;
    const std::int64_t levels = 2 + random.Below(trial % 2 == 0 ? 60 : 5000);
    for (std::int64_t row = 0; row < rows; ++row) {
      const double level = static_cast<double>(random.Below(levels));
      values.push_back(random.Uniform() < 0.3 ? std::floor(level / 16) : level / 4);
    }
    const std::vector<double> knots =
        QuantileKnots(SortNumbers(FloatColumn("c", values), AllRows(rows)), bins);
    std::vector<double> distinct;
    for (const double knot : knots) {
      if (distinct.empty() || knot - distinct.back() > 1e-9) distinct.push_back(knot);
    }
    const std::vector<double> expected = SlowKnots(values, static_cast<std::size_t>(bins));
    ASSERT_EQ(distinct.size(), expected.size()) << "trial " << trial;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      ASSERT_NEAR(distinct[i], expected[i], 1e-9) << "trial " << trial << " knot " << i;
    }
  }
}

TEST(BinsOf, AreFineForARegressionWithEnoughRows) {
  EXPECT_EQ(BinsOf(Task::kBinary, 1'000'000), 48);
  EXPECT_EQ(BinsOf(Task::kMulticlass, 1'000'000), 48);
  EXPECT_EQ(BinsOf(Task::kRegression, 20), 48);
  EXPECT_EQ(BinsOf(Task::kRegression, 8'000), 100);
  EXPECT_EQ(BinsOf(Task::kRegression, 1'000'000), 192);
}

TEST(FitNumber, FallsBackToTheDeviationAndToOne) {
  std::vector<double> values(99, 7.5);
  values.push_back(17.5);
  Field field;
  FitNumber(SortNumbers(FloatColumn("c", values), AllRows(100)), Encoding::kPiecewiseLinear, 48,
            &field);
  EXPECT_EQ(field.center, 7.5);
  EXPECT_NEAR(field.scale, std::sqrt(0.01 * 0.99) * 10, 1e-12);  // IQR = 0

  const Column constant = FloatColumn("c", {0.1, 0.1, 0.1, kNull});
  FitNumber(SortNumbers(constant, AllRows(4)), Encoding::kPiecewiseLinear, 48, &field);
  EXPECT_EQ(field.center, 0.1);
  EXPECT_EQ(field.scale, 1);
  EXPECT_EQ(field.knots, (std::vector<float>{0, 1}));
}

TEST(FitNumber, EncodingTrailsUsesMeanAndDeviation) {
  Field field;
  FitNumber(SortNumbers(FloatColumn("c", {1, 3, 7, 1.0}), AllRows(4)), Encoding::kTrails, 48,
            &field);
  EXPECT_DOUBLE_EQ(field.center, 3);
  EXPECT_DOUBLE_EQ(field.scale, std::sqrt(6.0));
  EXPECT_TRUE(field.knots.empty());
  EXPECT_FALSE(field.soft_clip);
}

TEST(FitNumber, CountsInfinitiesAsTheFarthestFiniteValues) {
  const Column column = FloatColumn("c", {kInfinity, -kInfinity, 1.5, 2.5, 4.0});
  const SortedNumbers numbers = SortNumbers(column, AllRows(5));
  EXPECT_EQ(std::get<1>(numbers.values), (std::vector<double>{1.5, 1.5, 2.5, 4.0, 4.0}));
  EXPECT_FALSE(SortNumbers(FloatColumn("c", {1, 2, kInfinity}), AllRows(3)).integral());
  EXPECT_EQ(SortNumbers(FloatColumn("c", {kInfinity, -kInfinity}), AllRows(2)).distinct, 0);
}

TEST(SortNumbers, SortsAcrossTheWholeRange) {
  // Enough values for the radix sort, further apart than 2^63.
  RandomStream random(12);
  Column integers("i", ColumnKind::kInteger, "bigint");
  Column floats("f", ColumnKind::kFloat, "double precision");
  std::vector<std::int64_t> expected_integers;
  std::vector<double> expected_floats;
  for (int row = 0; row < 20'000; ++row) {
    const auto integer = static_cast<std::int64_t>(random.Next());
    const double number = std::ldexp(random.Normal(), static_cast<int>(random.Below(600)) - 300);
    if (integer == Column::kNullInteger) continue;
    integers.AppendInteger(integer);
    floats.AppendFloat(number);
    expected_integers.push_back(integer);
    expected_floats.push_back(number);
  }
  std::sort(expected_integers.begin(), expected_integers.end());
  std::sort(expected_floats.begin(), expected_floats.end());
  const std::vector<std::int32_t> rows = AllRows(integers.rows());
  EXPECT_EQ(SortNumbers(integers, rows).integers(), expected_integers);
  EXPECT_EQ(std::get<1>(SortNumbers(floats, rows).values), expected_floats);
}

TEST(FitNumber, SurvivesTheEndsOfTheRange) {
  const Column column = FloatColumn("c", {-1.7e308, 1.7e308, 1e-300, 2e-300, 3e-300, 4e-300, 0.5});
  Field field;
  FitNumber(SortNumbers(column, AllRows(7)), Encoding::kPiecewiseLinear, 48, &field);
  EXPECT_TRUE(std::isfinite(field.scale));
  ASSERT_GE(field.knots.size(), 2U);
  for (std::size_t i = 0; i < field.knots.size(); ++i) {
    EXPECT_LE(std::abs(field.knots[i]), kFarthestZ);
    if (i > 0) {
      EXPECT_LT(field.knots[i - 1], field.knots[i]);
    }
  }
}

}  // namespace
}  // namespace trails
