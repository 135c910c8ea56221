// The nearest rows, against sorting all of them.
#include "core/intermediates/neighbours.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "core/random.h"
#include "trails/error.h"

namespace trails {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr Distance kDistances[] = {Distance::kEuclidean, Distance::kCosine, Distance::kManhattan};

using Row = std::vector<float>;

// Rows as blocks of `block_rows`, added in their order. Ids are 3, 5, 7, ...
std::vector<Neighbour> Nearest(const std::vector<Row> &rows, const Row &query, std::int64_t k,
                               Distance distance, std::size_t block_rows = 64) {
  NearestRows nearest(query, k, distance);
  for (std::size_t first = 0; first < rows.size(); first += block_rows) {
    const std::size_t count = std::min(block_rows, rows.size() - first);
    std::vector<std::int64_t> ids;
    std::vector<float> values;
    for (std::size_t i = 0; i < count; ++i) {
      ids.push_back(static_cast<std::int64_t>(3 + 2 * (first + i)));
    }
    for (std::size_t column = 0; column < query.size(); ++column) {
      for (std::size_t i = 0; i < count; ++i) values.push_back(rows[first + i][column]);
    }
    nearest.Add({.rows = static_cast<std::int64_t>(count),
                 .row_ids = ids.data(),
                 .values = values.data(),
                 .columns = static_cast<std::int64_t>(query.size())});
  }
  return nearest.Take();
}

double DistanceOf(const Row &a, const Row &b, Distance distance) {
  double squares = 0, sum = 0, dot = 0, of_a = 0, of_b = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = static_cast<double>(a[i]) - b[i];
    squares += difference * difference;
    sum += std::abs(difference);
    dot += static_cast<double>(a[i]) * b[i];
    of_a += static_cast<double>(a[i]) * a[i];
    of_b += static_cast<double>(b[i]) * b[i];
  }
  if (distance == Distance::kEuclidean) return std::sqrt(squares);
  if (distance == Distance::kManhattan) return sum;
  return of_a == 0 || of_b == 0 ? 1 : std::max(0.0, 1 - dot / std::sqrt(of_a * of_b));
}

std::vector<Neighbour> SortedAll(const std::vector<Row> &rows, const Row &query,
                                 Distance distance) {
  std::vector<Neighbour> all;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    all.push_back({static_cast<std::int64_t>(3 + 2 * i), DistanceOf(rows[i], query, distance)});
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const Neighbour &a, const Neighbour &b) { return a.distance < b.distance; });
  return all;
}

TEST(NearestRows, AreTheFirstOfAllRowsSorted) {
  RandomStream random(1);
  std::vector<Row> rows(777, Row(23));
  for (Row &row : rows) {
    for (float &value : row) value = static_cast<float>(random.Normal());
  }
  for (const Distance distance : kDistances) {
    const std::vector<Neighbour> all = SortedAll(rows, rows[100], distance);
    EXPECT_EQ(all.front(), (Neighbour{203, 0}));
    for (const std::int64_t k : {1, 2, 50, 776}) {
      const std::vector<Neighbour> expected(all.begin(), all.begin() + k);
      EXPECT_EQ(Nearest(rows, rows[100], k, distance), expected);
    }
  }
}

// Rows of small integers: most distances are shared by many rows.
TEST(NearestRows, TakeTheFirstOfEqualDistances) {
  RandomStream random(2);
  std::vector<Row> rows(500, Row(4));
  for (Row &row : rows) {
    for (float &value : row) value = static_cast<float>(random.Below(3));
  }
  for (const Distance distance : kDistances) {
    for (const std::size_t query : {0, 17, 499}) {
      const std::vector<Neighbour> all = SortedAll(rows, rows[query], distance);
      for (const std::int64_t k : {1, 3, 10, 100, 499, 500, 501}) {
        std::vector<Neighbour> expected = all;
        expected.resize(std::min<std::size_t>(expected.size(), static_cast<std::size_t>(k)));
        for (const std::size_t block_rows : {1, 7, 500}) {
          EXPECT_EQ(Nearest(rows, rows[query], k, distance, block_rows), expected)
              << k << " of blocks of " << block_rows;
        }
      }
    }
  }
}

TEST(NearestRows, ByHand) {
  const std::vector<Row> rows = {{3, 4}, {0, 0}, {6, 8}, {-3, -4}, {4, -3}};
  using List = std::vector<Neighbour>;
  EXPECT_EQ(Nearest(rows, {0, 0}, 9, Distance::kEuclidean),
            (List{{5, 0}, {3, 5}, {9, 5}, {11, 5}, {7, 10}}));
  EXPECT_EQ(Nearest(rows, {0, 0}, 3, Distance::kManhattan), (List{{5, 0}, {3, 7}, {9, 7}}));
  // The same direction, a right angle, nothing, the other way.
  EXPECT_EQ(Nearest(rows, {3, 4}, 9, Distance::kCosine),
            (List{{3, 0}, {7, 0}, {5, 1}, {11, 1}, {9, 2}}));
  // Every row is as far from a row of zeros, itself too.
  EXPECT_EQ(Nearest(rows, {0, 0}, 2, Distance::kCosine), (List{{3, 1}, {5, 1}}));
}

TEST(NearestRows, PassOverRowsThatAreNotFinite) {
  const std::vector<Row> rows = {{kNaN, 0}, {0, kInfinity}, {1, 1}, {-kInfinity, kNaN}, {9, 1}};
  for (const Distance distance : kDistances) {
    for (const Row &query : {Row{0, 0}, Row{1, 1}, Row{0, 1}}) {
      const std::vector<Neighbour> found = Nearest(rows, query, 5, distance);
      ASSERT_EQ(found.size(), 2U);
      EXPECT_EQ(std::min(found[0].row_id, found[1].row_id), 7);
      EXPECT_EQ(std::max(found[0].row_id, found[1].row_id), 11);
    }
  }
}

TEST(NearestRows, KeepTheirDigitsAtTheEndsOfFloat) {
  constexpr float kMost = std::numeric_limits<float>::max();
  constexpr float kLeast = std::numeric_limits<float>::denorm_min();
  const std::vector<Row> rows = {{kMost, kMost}, {-kMost, kMost}, {kLeast, 0}, {0, kLeast}};
  const std::vector<Neighbour> far = Nearest(rows, rows[1], 4, Distance::kEuclidean);
  ASSERT_EQ(far.size(), 4U);
  EXPECT_EQ(far[0], (Neighbour{5, 0}));
  EXPECT_EQ(far[3], (Neighbour{3, 2.0 * kMost}));
  const std::vector<Neighbour> near = Nearest(rows, rows[2], 4, Distance::kCosine);
  ASSERT_EQ(near.size(), 4U);
  EXPECT_EQ(near[0], (Neighbour{7, 0}));
  EXPECT_EQ(near[2], (Neighbour{9, 1}));
}

TEST(NearestRows, PassOverTheRowThatIsLeftOut) {
  // Rows equal to it stay, however many come before it.
  const std::int64_t ids[] = {1, 2, 3, 4};
  const float values[] = {5, 5, 5, 7};
  NearestRows nearest({5}, 2, Distance::kEuclidean, 2);
  nearest.Add({.rows = 4, .row_ids = ids, .values = values, .columns = 1});
  EXPECT_EQ(nearest.Take(), (std::vector<Neighbour>{{1, 0}, {3, 0}}));
}

TEST(NearestRows, AreTakenOnce) {
  const std::vector<Row> rows = {{1}, {2}};
  NearestRows nearest({0}, 1, Distance::kEuclidean);
  EXPECT_TRUE(nearest.Take().empty());
  const std::int64_t ids[] = {4, 8};
  const float values[] = {2, 1};
  nearest.Add({.rows = 2, .row_ids = ids, .values = values, .columns = 1});
  EXPECT_EQ(nearest.Take(), (std::vector<Neighbour>{{8, 1}}));
  EXPECT_TRUE(nearest.Take().empty());
}

TEST(NearestRows, RefuseWhatMakesNoSense) {
  const auto kind_of = [](Row query, std::int64_t k) {
    try {
      NearestRows(std::move(query), k, Distance::kCosine);
    } catch (const Error &error) {
      return error.kind();
    }
    ADD_FAILURE() << "nothing was thrown";
    return ErrorKind::kDevice;
  };
  EXPECT_EQ(kind_of({1, 2}, 0), ErrorKind::kInvalidArgument);
  EXPECT_EQ(kind_of({1, 2}, 100'001), ErrorKind::kInvalidArgument);
  EXPECT_EQ(kind_of({1, kNaN}, 5), ErrorKind::kInvalidArgument);
  EXPECT_EQ(kind_of({-kInfinity, 1}, 5), ErrorKind::kInvalidArgument);
  try {
    NearestRows({1, kNaN}, 5, Distance::kEuclidean);
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error &error) {
    EXPECT_EQ(error.detail(), "Its value in column 2 is nan.");
  }
  NearestRows nearest({1, 2}, 100'000, Distance::kEuclidean);
  const std::int64_t id = 1;
  const float values[] = {1, 2, 3};
  EXPECT_THROW(nearest.Add({.rows = 1, .row_ids = &id, .values = values, .columns = 3}), Error);
}

TEST(ParseDistance, KnowsThreeWords) {
  EXPECT_EQ(ParseDistance("l2"), Distance::kEuclidean);
  EXPECT_EQ(ParseDistance("cosine"), Distance::kCosine);
  EXPECT_EQ(ParseDistance("l1"), Distance::kManhattan);
  try {
    ParseDistance("euclidean");
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error &error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInvalidArgument);
    EXPECT_EQ(std::string(error.what()), "unrecognized metric: \"euclidean\"");
    EXPECT_EQ(error.hint(), "Available values: l2, cosine, l1.");
  }
}

}  // namespace
}  // namespace trails
