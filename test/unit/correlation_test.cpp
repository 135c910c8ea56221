// Correlations of columns against two passes, and by hand.
#include "core/intermediates/correlation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "core/random.h"
#include "trails/error.h"

namespace trails {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

using Values = std::vector<float>;

double ByDefinition(const Values &x, const Values &y) {
  std::vector<std::size_t> rows;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (std::isfinite(x[i]) && std::isfinite(y[i])) rows.push_back(i);
  }
  long double of_x = 0, of_y = 0;
  for (const std::size_t i : rows) {
    of_x += x[i];
    of_y += y[i];
  }
  of_x /= static_cast<long double>(rows.size());
  of_y /= static_cast<long double>(rows.size());
  long double xx = 0, yy = 0, xy = 0;
  for (const std::size_t i : rows) {
    xx += (x[i] - of_x) * (x[i] - of_x);
    yy += (y[i] - of_y) * (y[i] - of_y);
    xy += (x[i] - of_x) * (y[i] - of_y);
  }
  return static_cast<double>(xy / std::sqrt(xx) / std::sqrt(yy));
}

double Of(const Values &x, const Values &y) {
  ColumnCorrelations found(1);
  found.Add(x, y);
  return found.correlation(0);
}

TEST(ColumnCorrelations, ArePearsons) {
  RandomStream random(1);
  // Around the sixteen rows that are added side by side, and in blocks of several lengths.
  for (const std::size_t rows : {2, 15, 16, 17, 100, 1000}) {
    Values other(rows);
    for (float &value : other) value = static_cast<float>(random.Normal());
    std::vector<Values> columns;
    for (int column = 0; column < 3; ++column) {
      Values values;
      for (const float with : other) {
        values.push_back(static_cast<float>(1e4 * column + column * with - random.Normal()));
      }
      columns.push_back(values);
    }
    for (const std::size_t block : {rows, std::size_t{7}}) {
      ColumnCorrelations found(3);
      for (std::size_t first = 0; first < rows; first += block) {
        const std::size_t count = std::min(block, rows - first);
        Values values;
        for (const Values &column : columns) {
          values.insert(values.end(), column.begin() + static_cast<std::ptrdiff_t>(first),
                        column.begin() + static_cast<std::ptrdiff_t>(first + count));
        }
        found.Add(values, std::span(other).subspan(first, count));
      }
      for (std::int64_t column = 0; column < 3; ++column) {
        EXPECT_NEAR(found.correlation(column),
                    ByDefinition(columns[static_cast<std::size_t>(column)], other), 1e-10)
            << rows << " rows in blocks of " << block;
      }
    }
  }
}

TEST(ColumnCorrelations, ByHand) {
  EXPECT_DOUBLE_EQ(Of({1, 2, 3, 4}, {8, 6, 4, 2}), -1);
  EXPECT_DOUBLE_EQ(Of({1, 2, 3, 4}, {1, 2, 2, 1}), 0);
  EXPECT_DOUBLE_EQ(Of({5, 7, 6, 9}, {5, 7, 6, 9}), 1);
  // 0 and 1: (mean where 1 - mean where 0) / deviation * sqrt(share where 1 * share where 0).
  EXPECT_NEAR(Of({1, 5, 3, 7}, {0, 1, 0, 1}), (6.0 - 2.0) / std::sqrt(5.0) * 0.5, 1e-15);
}

TEST(ColumnCorrelations, PassOverRowsThatAreNotFinite) {
  RandomStream random(2);
  Values x(60), y(60);
  for (std::size_t i = 0; i < 60; ++i) {
    x[i] = static_cast<float>(random.Normal());
    y[i] = x[i] + static_cast<float>(random.Normal());
  }
  x[0] = kNaN;
  y[1] = kInfinity;
  x[16] = -kInfinity;
  y[59] = kNaN;
  EXPECT_NEAR(Of(x, y), ByDefinition(x, y), 1e-13);
  EXPECT_TRUE(std::isnan(Of(Values(5, kNaN), Values(5, 1))));
}

TEST(ColumnCorrelations, AreNothingOfOneValue) {
  EXPECT_TRUE(std::isnan(Of(Values(40, 0.1F), {Values(40, 3)})));
  Values y(40);
  for (std::size_t i = 0; i < 40; ++i) y[i] = static_cast<float>(i);
  EXPECT_TRUE(std::isnan(Of(Values(40, 0.1F), y)));
  EXPECT_TRUE(std::isnan(Of(y, Values(40, 0.1F))));
  EXPECT_TRUE(std::isnan(ColumnCorrelations(2).correlation(1)));
}

TEST(ColumnCorrelations, RefuseWhatDoesNotFit) {
  const auto kind_of = [](auto call) {
    try {
      call();
    } catch (const Error &error) {
      return error.kind();
    }
    ADD_FAILURE() << "nothing was thrown";
    return ErrorKind::kDevice;
  };
  ColumnCorrelations found(2);
  EXPECT_EQ(kind_of([] { ColumnCorrelations none(-1); }), ErrorKind::kInternal);
  EXPECT_EQ(kind_of([&] { found.Add(Values(3), Values(2)); }), ErrorKind::kInternal);
  EXPECT_EQ(kind_of([&] { found.correlation(2); }), ErrorKind::kInternal);
  EXPECT_EQ(kind_of([&] { found.correlation(-1); }), ErrorKind::kInternal);
}

}  // namespace
}  // namespace trails
