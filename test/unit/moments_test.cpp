// Moments in one pass against two passes in long double.
#include "core/intermediates/moments.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <stop_token>
#include <vector>

#include "core/random.h"
#include "trails/error.h"

namespace trails {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

struct Table {
  std::int64_t columns = 0;
  std::int64_t rows = 0;
  std::vector<float> values;  // [columns, rows]

  float at(std::int64_t column, std::int64_t row) const { return values[column * rows + row]; }

  // Rows [first, first + count), as a table.
  Table Cut(std::int64_t first, std::int64_t count) const {
    Table cut{columns, count, {}};
    for (std::int64_t column = 0; column < columns; ++column) {
      for (std::int64_t row = first; row < first + count; ++row) {
        cut.values.push_back(at(column, row));
      }
    }
    return cut;
  }
};

// Columns that share a part, each with a mean and a scale of its own.
Table RandomTable(std::int64_t columns, std::int64_t rows, double mean, RandomStream *random) {
  Table table{columns, rows, {}};
  std::vector<double> shared(static_cast<std::size_t>(rows));
  for (double &value : shared) value = random->Normal();
  for (std::int64_t column = 0; column < columns; ++column) {
    const double scale = 1 + static_cast<double>(column % 7);
    for (std::int64_t row = 0; row < rows; ++row) {
      table.values.push_back(
          static_cast<float>(mean * (1 + static_cast<double>(column % 3)) +
                             scale * (shared[static_cast<std::size_t>(row)] + random->Normal())));
    }
  }
  return table;
}

bool IsFinite(const Table &table, std::int64_t row) {
  for (std::int64_t column = 0; column < table.columns; ++column) {
    if (!std::isfinite(table.at(column, row))) return false;
  }
  return true;
}

// Every moment to `tolerance` of what the definition gives, over the rows that are finite.
void ExpectMoments(const Moments &moments, const Table &table, double tolerance) {
  std::int64_t counted = 0;
  std::vector<long double> mean(static_cast<std::size_t>(table.columns));
  for (std::int64_t row = 0; row < table.rows; ++row) {
    if (!IsFinite(table, row)) continue;
    ++counted;
    for (std::int64_t column = 0; column < table.columns; ++column) {
      mean[column] += table.at(column, row);
    }
  }
  ASSERT_EQ(moments.rows(), counted);
  EXPECT_EQ(moments.skipped(), table.rows - counted);
  for (long double &value : mean) value /= counted;
  std::vector<std::vector<long double>> product(table.columns,
                                                std::vector<long double>(table.columns));
  for (std::int64_t row = 0; row < table.rows; ++row) {
    if (!IsFinite(table, row)) continue;
    for (std::int64_t a = 0; a < table.columns; ++a) {
      for (std::int64_t b = a; b < table.columns; ++b) {
        product[a][b] += (table.at(a, row) - mean[a]) * (table.at(b, row) - mean[b]);
      }
    }
  }
  for (std::int64_t a = 0; a < table.columns; ++a) {
    const auto deviation = static_cast<double>(std::sqrt(product[a][a] / counted));
    EXPECT_NEAR(moments.mean(a), static_cast<double>(mean[a]),
                tolerance * deviation + 4e-16 * std::abs(static_cast<double>(mean[a])));
    for (std::int64_t b = a; b < table.columns; ++b) {
      const auto scale = static_cast<double>(std::sqrt(product[a][a] * product[b][b]));
      EXPECT_NEAR(moments.Product(a, b), static_cast<double>(product[a][b]), tolerance * scale)
          << a << ", " << b;
      EXPECT_EQ(moments.Product(a, b), moments.Product(b, a));
    }
  }
}

// Around the panels of 16 columns and the 256 rows that are worked on together.
TEST(Moments, EqualTheDefinition) {
  RandomStream random(1);
  for (const std::int64_t columns : {1, 2, 8, 15, 16, 17, 33, 50}) {
    for (const std::int64_t rows : {2, 7, 255, 256, 257, 1000}) {
      const Table table = RandomTable(columns, rows, 0.5, &random);
      Moments moments(columns);
      moments.Add(table.values, rows);
      EXPECT_EQ(moments.columns(), columns);
      ExpectMoments(moments, table, 1e-13);
    }
  }
}

TEST(Moments, LoseNoDigitsToLargeMeans) {
  RandomStream random(2);
  const Table table = RandomTable(5, 3000, 1e6, &random);
  Moments moments(5);
  moments.Add(table.values, 3000);
  ExpectMoments(moments, table, 1e-12);
}

// The first row is where differences are taken from: one that is far off costs few digits.
TEST(Moments, LoseFewDigitsToAnOutlierInFront) {
  RandomStream random(3);
  Table table = RandomTable(3, 3000, 0, &random);
  table.values[0] = 1e6F;
  table.values[3000] = -3e7F;
  Moments moments(3);
  moments.Add(table.values, 3000);
  ExpectMoments(moments, table, 1e-11);
}

TEST(Moments, PassOverRowsThatAreNotFinite) {
  RandomStream random(4);
  Table table = RandomTable(20, 700, 3, &random);
  const float bad[] = {kNaN, kInfinity, -kInfinity};
  // The first row, the last, and some between; one of them in two columns.
  std::int64_t i = 0;
  for (const std::int64_t row : {0, 1, 255, 256, 257, 600, 699}) {
    table.values[(i * 3 % 20) * 700 + row] = bad[i % 3];
    ++i;
  }
  table.values[19 * 700 + 256] = kNaN;
  Moments moments(20);
  moments.Add(table.values, 700);
  EXPECT_EQ(moments.skipped(), 7);
  ExpectMoments(moments, table, 1e-13);

  // The largest of floats and the least are finite.
  Moments ends(1);
  ends.Add(std::vector<float>{std::numeric_limits<float>::max(),
                              std::numeric_limits<float>::denorm_min(),
                              std::numeric_limits<float>::lowest()},
           3);
  EXPECT_EQ(ends.rows(), 3);
  EXPECT_EQ(ends.skipped(), 0);
}

TEST(Moments, AreTheSameOfPiecesAndOfPartsAppended) {
  RandomStream random(5);
  Table table = RandomTable(18, 1500, 100, &random);
  table.values[900] = kNaN;
  Moments pieces(18), early(18), late(18), nothing(18);
  std::int64_t first = 0;
  for (const std::int64_t rows : {1, 0, 299, 1000, 200}) {
    const Table cut = table.Cut(first, rows);
    pieces.Add(cut.values, rows);
    (first < 1000 ? early : late).Add(cut.values, rows);
    first += rows;
  }
  ASSERT_EQ(first, 1500);
  ASSERT_GT(late.rows(), 0);
  ExpectMoments(pieces, table, 1e-12);

  early.Append(nothing);
  early.Append(late);
  ExpectMoments(early, table, 1e-12);
  nothing.Append(early);  // takes over the origin too
  ExpectMoments(nothing, table, 1e-12);
}

TEST(Moments, AreExactlyZeroOfAColumnOfOneValue) {
  RandomStream random(6);
  Table table = RandomTable(3, 1000, 0, &random);
  for (std::int64_t row = 0; row < 1000; ++row) table.values[1000 + row] = 0.1F;
  Moments moments(3), more(3);
  moments.Add(table.values, 1000);
  more.Add(table.values, 1000);
  moments.Append(more);
  EXPECT_EQ(moments.Product(1, 1), 0);
  EXPECT_EQ(moments.Product(0, 1), 0);
  EXPECT_EQ(moments.Product(1, 2), 0);
  EXPECT_EQ(moments.mean(1), 0.1F);
  EXPECT_GT(moments.Product(0, 0), 0);
}

TEST(Moments, EndAtAStop) {
  RandomStream random(7);
  const Table table = RandomTable(20, 300, 0, &random);
  std::stop_source source;
  Moments moments(20), more(20);
  moments.Add(table.values, 300, source.get_token());
  more.Add(table.values, 300, source.get_token());
  source.request_stop();
  for (const bool append : {false, true}) {
    try {
      if (append) {
        moments.Append(more, source.get_token());
      } else {
        moments.Add(table.values, 300, source.get_token());
      }
      ADD_FAILURE() << "nothing was thrown";
    } catch (const Error &error) {
      EXPECT_EQ(error.kind(), ErrorKind::kCancelled);
    }
  }
}

TEST(Moments, OfNoRows) {
  Moments moments(2);
  moments.Add({}, 0);
  EXPECT_EQ(moments.rows(), 0);
  EXPECT_TRUE(std::isnan(moments.mean(1)));
  EXPECT_EQ(moments.Product(0, 1), 0);
  moments.Add(std::vector<float>{kNaN, 1}, 1);
  EXPECT_EQ(moments.rows(), 0);
  EXPECT_EQ(moments.skipped(), 1);
  EXPECT_TRUE(std::isnan(moments.mean(1)));
}

TEST(Moments, RefuseWhatDoesNotFit) {
  const auto kind_of = [](auto call) {
    try {
      call();
    } catch (const Error &error) {
      return error.kind();
    }
    ADD_FAILURE() << "nothing was thrown";
    return ErrorKind::kDevice;
  };
  EXPECT_EQ(kind_of([] { Moments moments(0); }), ErrorKind::kInternal);
  EXPECT_EQ(kind_of([] { Moments moments(4097); }), ErrorKind::kLimit);
  Moments moments(2), other(3);
  const std::vector<float> values(5);
  EXPECT_EQ(kind_of([&] { moments.Add(values, 2); }), ErrorKind::kInternal);
  EXPECT_EQ(kind_of([&] { moments.Add(values, -1); }), ErrorKind::kInternal);
  EXPECT_EQ(kind_of([&] { moments.Append(other); }), ErrorKind::kInternal);
  EXPECT_EQ(kind_of([&] { moments.mean(2); }), ErrorKind::kInternal);
  EXPECT_EQ(kind_of([&] { moments.Product(-1, 0); }), ErrorKind::kInternal);
  EXPECT_EQ(kind_of([&] { moments.Product(0, 2); }), ErrorKind::kInternal);
}

}  // namespace
}  // namespace trails
