// Histograms and means by group, by hand and against direct computation.
#include "core/intermediates/distribution.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/random.h"
#include "trails/error.h"

namespace trails {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

std::vector<std::int64_t> Counts(const Histogram &histogram) {
  std::vector<std::int64_t> counts;
  for (std::int32_t bin = 0; bin < histogram.bins(); ++bin) counts.push_back(histogram.count(bin));
  return counts;
}

template <typename Call>
void ExpectError(ErrorKind kind, Call call) {
  try {
    call();
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error &error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
  }
}

TEST(Histogram, CountsByHand) {
  Histogram histogram(0, 4, 4);
  histogram.Add(std::vector<float>{0, 1, 2, 3, 4});
  EXPECT_EQ(Counts(histogram), (std::vector<std::int64_t>{1, 1, 1, 2}));
  histogram.Add(std::vector<float>{0.99F, 3.99F, 2, -7, 100});
  EXPECT_EQ(Counts(histogram), (std::vector<std::int64_t>{3, 1, 2, 4}));
  EXPECT_EQ(histogram.not_finite(), 0);
  histogram.Add(std::vector<float>{kNaN, kInfinity, -kInfinity, 1.5F});
  EXPECT_EQ(Counts(histogram), (std::vector<std::int64_t>{3, 2, 2, 4}));
  EXPECT_EQ(histogram.not_finite(), 3);
}

TEST(Histogram, KnowsItsBounds) {
  const Histogram histogram(-1, 2, 6);
  EXPECT_EQ(histogram.bins(), 6);
  for (std::int32_t bin = 0; bin <= 6; ++bin)
    EXPECT_DOUBLE_EQ(histogram.lower(bin), -1 + 0.5 * bin);
  // The last bound is the one that was given, to the last bit.
  const Histogram odd(0.1, 0.7, 3);
  EXPECT_EQ(odd.lower(0), 0.1);
  EXPECT_EQ(odd.lower(3), 0.7);
}

TEST(Histogram, HasOneBinWhereBothBoundsAreEqual) {
  Histogram histogram(0, 0, 50);
  ASSERT_EQ(histogram.bins(), 1);
  EXPECT_EQ(histogram.lower(0), 0);
  EXPECT_EQ(histogram.lower(1), 0);
  histogram.Add(std::vector<float>{0, 0, -0.0F, 3, -3, kNaN});
  EXPECT_EQ(histogram.count(0), 5);
  EXPECT_EQ(histogram.not_finite(), 1);
}

// width_bucket of PostgreSQL 15's float.c, for bound1 < bound2. Where rounding makes it count + 1
// for an operand below bound2, the histogram has it in the last bin.
std::int32_t WidthBucket(double operand, double bound1, double bound2, std::int32_t count) {
  if (operand < bound1) return 0;
  if (operand >= bound2) return count + 1;
  return static_cast<std::int32_t>(count * (operand - bound1) / (bound2 - bound1) + 1);
}

void ExpectWidthBuckets(const std::vector<float> &values, float least, float largest,
                        std::int32_t bins) {
  Histogram histogram(least, largest, bins);
  histogram.Add(values);
  std::vector<std::int64_t> expected(static_cast<std::size_t>(bins));
  for (const float value : values) {
    const std::int32_t bucket = WidthBucket(value, least, largest, bins);
    ++expected[static_cast<std::size_t>(std::clamp(bucket, 1, bins) - 1)];
  }
  EXPECT_EQ(Counts(histogram), expected) << bins << " from " << least << " to " << largest;
}

TEST(Histogram, BinsAsWidthBucketDoes) {
  RandomStream random(1);
  for (const std::int32_t bins : {1, 2, 7, 10, 100, 999, 10'000}) {
    const float least = -3.3F, largest = 5.7F;
    std::vector<float> values;
    for (int i = 0; i < 3001; ++i) {
      values.push_back(static_cast<float>(9.2 * random.Uniform() - 3.4));
    }
    for (std::int32_t bin = 0; bin <= bins; ++bin) {
      const double bound =
          least + (static_cast<double>(largest) - static_cast<double>(least)) * bin / bins;
      values.push_back(static_cast<float>(bound));
    }
    ExpectWidthBuckets(values, least, largest, bins);
  }
  // Values at the bounds themselves, where the order of the operations decides: 49 * (1 / 49) is
  // below 1.
  for (const std::int32_t bins : {49, 98, 103, 1000}) {
    std::vector<float> values;
    for (std::int32_t value = -1; value <= bins + 1; ++value) {
      values.push_back(static_cast<float>(value));
    }
    ExpectWidthBuckets(values, 0, static_cast<float>(bins), bins);
    ExpectWidthBuckets(values, -1, static_cast<float>(bins), 2 * (bins + 1));
  }
}

TEST(Histogram, CountsWhatLiesBetweenItsBounds) {
  RandomStream random(2);
  std::vector<float> values(10'007);
  for (float &value : values) value = static_cast<float>(random.Normal());
  Histogram histogram(-2, 2, 40);
  // In uneven pieces.
  histogram.Add(std::span(values).first(1));
  histogram.Add(std::span(values).subspan(1, 255));
  histogram.Add(std::span(values).subspan(256));
  for (std::int32_t bin = 0; bin < 40; ++bin) {
    const double from = bin == 0 ? -HUGE_VAL : histogram.lower(bin);
    const double to = bin == 39 ? HUGE_VAL : histogram.lower(bin + 1);
    EXPECT_EQ(histogram.count(bin), std::count_if(values.begin(), values.end(), [&](float value) {
                return value >= from && value < to;
              }));
  }
}

TEST(Histogram, RefusesBinsAndBoundsThatMakeNoSense) {
  for (const std::int32_t bins : {-1, 0, 10'001}) {
    ExpectError(ErrorKind::kInvalidArgument, [&] { Histogram(0, 1, bins); });
  }
  EXPECT_EQ(Histogram(0, 1, 10'000).bins(), 10'000);
  ExpectError(ErrorKind::kInternal, [] { Histogram(1, 0, 5); });
  ExpectError(ErrorKind::kInternal, [] { Histogram(kNaN, 1, 5); });
  ExpectError(ErrorKind::kInternal, [] { Histogram(0, kInfinity, 5); });
  ExpectError(ErrorKind::kInternal, [] { Histogram(-1.7e308, 1.7e308, 5); });
  const Histogram histogram(0, 1, 5);
  ExpectError(ErrorKind::kInternal, [&] { histogram.lower(-1); });
  ExpectError(ErrorKind::kInternal, [&] { histogram.lower(6); });
}

TEST(GroupMeans, ByHand) {
  GroupMeans means(2, 3);
  means.Add(std::vector<float>{1, 3, 5, 100, kNaN,  // the first column
                               2, 2, kInfinity, 7, 9},
            std::vector<std::int32_t>{0, 0, 2, -1, 2});
  EXPECT_EQ(means.rows(0, 0), 2);
  EXPECT_EQ(means.mean(0, 0), 2);
  EXPECT_EQ(means.deviation(0, 0), 1);
  EXPECT_EQ(means.rows(0, 2), 1);
  EXPECT_EQ(means.mean(0, 2), 5);
  EXPECT_EQ(means.deviation(0, 2), 0);
  EXPECT_EQ(means.mean(1, 0), 2);
  EXPECT_EQ(means.deviation(1, 0), 0);
  EXPECT_EQ(means.rows(1, 2), 1);
  EXPECT_EQ(means.mean(1, 2), 9);
  // Nothing was of group 1.
  EXPECT_EQ(means.rows(1, 1), 0);
  EXPECT_TRUE(std::isnan(means.mean(1, 1)));
  EXPECT_TRUE(std::isnan(means.deviation(1, 1)));
  means.Add(std::vector<float>{5, 4}, std::vector<std::int32_t>{0});
  EXPECT_EQ(means.mean(0, 0), 3);
  EXPECT_NEAR(means.deviation(0, 0), std::sqrt(8.0 / 3), 1e-15);
}

struct GroupedRows {
  std::vector<float> values;  // [columns, rows]
  std::vector<std::int32_t> group;
};

// Means far from zero, groups of very different sizes, some values missing.
GroupedRows RandomRows(std::int64_t columns, std::int64_t rows, std::int32_t groups,
                       RandomStream *random) {
  GroupedRows drawn;
  for (std::int64_t row = 0; row < rows; ++row) {
    const double u = random->Uniform();
    drawn.group.push_back(static_cast<std::int32_t>(u * u * (groups + 1)) - 1);
  }
  for (std::int64_t column = 0; column < columns; ++column) {
    for (std::int64_t row = 0; row < rows; ++row) {
      const double value = 1e4 * static_cast<double>(column) + random->Normal();
      drawn.values.push_back(random->Below(50) == 0 ? kNaN : static_cast<float>(value));
    }
  }
  return drawn;
}

TEST(GroupMeans, EqualTheDefinitionWhateverTheBlocks) {
  constexpr std::int64_t kColumns = 3, kGroups = 5;
  RandomStream random(3);
  GroupMeans means(kColumns, kGroups);
  std::vector<std::vector<long double>> seen(kColumns * kGroups);
  for (const std::int64_t rows : {1, 7, 1000, 0, 1000, 333}) {
    const GroupedRows drawn = RandomRows(kColumns, rows, kGroups, &random);
    means.Add(drawn.values, drawn.group);
    for (std::int64_t column = 0; column < kColumns; ++column) {
      for (std::int64_t row = 0; row < rows; ++row) {
        const std::int32_t g = drawn.group[row];
        const float value = drawn.values[column * rows + row];
        if (g >= 0 && std::isfinite(value)) seen[column * kGroups + g].push_back(value);
      }
    }
  }
  for (std::int64_t column = 0; column < kColumns; ++column) {
    for (std::int64_t g = 0; g < kGroups; ++g) {
      const auto &of_group = seen[column * kGroups + g];
      ASSERT_GT(of_group.size(), 20U);
      long double mean = 0, squares = 0;
      for (const long double value : of_group) mean += value / of_group.size();
      for (const long double value : of_group) squares += (value - mean) * (value - mean);
      EXPECT_EQ(means.rows(column, g), static_cast<std::int64_t>(of_group.size()));
      EXPECT_NEAR(means.mean(column, g), static_cast<double>(mean), 1e-10);
      EXPECT_NEAR(means.deviation(column, g),
                  static_cast<double>(std::sqrt(squares / of_group.size())), 1e-10);
    }
  }
}

TEST(GroupMeans, RefuseWhatDoesNotFit) {
  ExpectError(ErrorKind::kInternal, [] { GroupMeans(-1, 2); });
  ExpectError(ErrorKind::kInternal, [] { GroupMeans(1, -1); });
  GroupMeans means(2, 3);
  const std::vector<float> values(4);
  ExpectError(ErrorKind::kInternal, [&] { means.Add(values, std::vector<std::int32_t>{0}); });
  ExpectError(ErrorKind::kInternal, [&] { means.Add(values, std::vector<std::int32_t>{0, 3}); });
  ExpectError(ErrorKind::kInternal, [&] { means.Add(values, std::vector<std::int32_t>{0, -2}); });
  EXPECT_EQ(means.rows(0, 0), 0);  // nothing of what was refused counts
  ExpectError(ErrorKind::kInternal, [&] { means.rows(2, 0); });
  ExpectError(ErrorKind::kInternal, [&] { means.mean(0, 3); });
  ExpectError(ErrorKind::kInternal, [&] { means.deviation(-1, 0); });
}

}  // namespace
}  // namespace trails
