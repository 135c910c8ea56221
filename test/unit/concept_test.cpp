// NetDissect by hand and against sorting.
#include "core/intermediates/concept.h"

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

using Values = std::vector<float>;
using Rows = std::vector<std::uint8_t>;

TEST(MatchConcept, ByHand) {
  const Values values = {4, 10, 1, 9, 2, 8, 3, 7, 5, 6};
  const Rows of_concept = {0, 1, 1, 1, 0, 0, 0, 0, 0, 0};
  // Rank 8 of 10 is 8: 10, 9 and 8 are active, of which the concept has two and one other row.
  const ConceptMatch match = MatchConcept(values, of_concept, 0.2);
  EXPECT_EQ(match.threshold, 8);
  EXPECT_EQ(match.active, 3);
  EXPECT_EQ(match.both, 2);
  EXPECT_DOUBLE_EQ(match.iou, 0.5);
  // ceil(0.75 * 10) = 8 too, ceil(0.65 * 10) = 7.
  EXPECT_EQ(MatchConcept(values, of_concept, 0.25).threshold, 8);
  EXPECT_EQ(MatchConcept(values, of_concept, 0.35).threshold, 7);
  // The largest alone; it is of the concept.
  const ConceptMatch largest = MatchConcept(values, of_concept, 0.005);
  EXPECT_EQ(largest.threshold, 10);
  EXPECT_EQ(largest.active, 1);
  EXPECT_DOUBLE_EQ(largest.iou, 1.0 / 3);
}

TEST(MatchConcept, TakesRanksAsTheyAreWithoutRounding) {
  Values values(100);
  for (int i = 0; i < 100; ++i) values[static_cast<std::size_t>(i)] = static_cast<float>(i + 1);
  const Rows of_concept(100);
  for (int percent = 1; percent < 99; ++percent) {
    EXPECT_EQ(MatchConcept(values, of_concept, percent / 100.0).threshold, 100 - percent);
  }
}

TEST(MatchConcept, LeavesNaNOut) {
  const Values values = {kNaN, 1, kNaN, 2, 3, kInfinity, kNaN, 0};
  const Rows of_concept = {1, 0, 0, 0, 1, 1, 0, 0};
  // Rank 3 of 5 is 2: rows 2, 3 and infinity are active; a NaN of the concept is missed.
  const ConceptMatch match = MatchConcept(values, of_concept, 0.4);
  EXPECT_EQ(match.threshold, 2);
  EXPECT_EQ(match.active, 3);
  EXPECT_EQ(match.both, 2);
  EXPECT_DOUBLE_EQ(match.iou, 0.5);

  const ConceptMatch nothing = MatchConcept(Values(3, kNaN), Rows(3, 1), 0.4);
  EXPECT_TRUE(std::isnan(nothing.threshold));
  EXPECT_EQ(nothing.active, 0);
  EXPECT_EQ(nothing.iou, 0);
  EXPECT_TRUE(std::isnan(MatchConcept({}, {}, 0.4).threshold));
}

TEST(MatchConcept, FindsADeadUnitActiveNowhere) {
  for (const float value : {0.0F, 2.5F, -kInfinity}) {
    const ConceptMatch match = MatchConcept(Values(20, value), Rows(20, 1), 0.1);
    EXPECT_EQ(match.threshold, value);
    EXPECT_EQ(match.active, 0);
    EXPECT_EQ(match.both, 0);
    EXPECT_EQ(match.iou, 0);
  }
}

// Zero in more than 1 - alpha of the rows: T is zero, and all rows are at or above it.
TEST(MatchConcept, FindsARareUnitActiveWhereItIsAboveZero) {
  Values values(1000, 0);
  Rows of_concept(1000, 0);
  values[3] = 1;
  values[500] = 2;
  for (std::size_t row = 0; row < 600; ++row) of_concept[row] = 1;
  of_concept[500] = 0;
  const ConceptMatch match = MatchConcept(values, of_concept, 0.005);
  EXPECT_EQ(match.threshold, 0);
  EXPECT_EQ(match.active, 2);
  EXPECT_EQ(match.both, 1);
  EXPECT_DOUBLE_EQ(match.iou, 1.0 / 600);
}

TEST(MatchConcept, IsZeroWithoutARow) {
  const ConceptMatch match = MatchConcept(Values(5, 1), Rows(5, 0), 0.5);
  EXPECT_EQ(match.iou, 0);
}

// A unit that is active in exactly alpha of the rows, where it overlaps the concept most.
TEST(LargestIou, IsWhatTheBestUnitReaches) {
  Values values(200);
  for (std::size_t row = 0; row < values.size(); ++row) values[row] = static_cast<float>(row);
  for (const std::size_t of_concept : {1, 20, 37, 199, 200}) {
    Rows concept_rows(200, 0);
    std::fill_n(concept_rows.rbegin(), of_concept, 1);
    for (const int active : {1, 10, 37, 150}) {
      // From the threshold on: one row more than has a smaller rank.
      const ConceptMatch match =
          MatchConcept(values, concept_rows, (static_cast<double>(active) - 1) / 200 + 1e-6);
      EXPECT_EQ(match.active, active);
      EXPECT_NEAR(
          match.iou,
          LargestIou(static_cast<double>(active) / 200, static_cast<double>(of_concept) / 200),
          1e-12);
    }
  }
  EXPECT_EQ(LargestIou(0.005, 0), 0);
}

TEST(MatchConcept, EqualsSorting) {
  RandomStream random(1);
  for (int trial = 0; trial < 200; ++trial) {
    const auto rows = static_cast<std::size_t>(1 + random.Below(60));
    Values values(rows);
    Rows of_concept(rows);
    for (std::size_t row = 0; row < rows; ++row) {
      // Few values, so that the threshold has ties.
      values[row] = static_cast<float>(std::max<std::int64_t>(0, random.Below(9) - 3));
      of_concept[row] = random.Below(3) == 0;
    }
    const std::int64_t percent = 1 + random.Below(99);
    const ConceptMatch match = MatchConcept(values, of_concept, static_cast<double>(percent) / 100);

    Values sorted = values;
    std::sort(sorted.begin(), sorted.end());
    const auto n = static_cast<std::int64_t>(rows);
    const std::int64_t rank = ((100 - percent) * n + 99) / 100;  // ceil, in integers
    const float threshold = sorted[static_cast<std::size_t>(std::max<std::int64_t>(rank, 1) - 1)];
    std::int64_t active = 0, both = 0, either = 0;
    for (std::size_t row = 0; row < rows; ++row) {
      const bool is_active = values[row] >= threshold && values[row] > sorted.front();
      active += is_active;
      both += is_active && of_concept[row] != 0;
      either += is_active || of_concept[row] != 0;
    }
    EXPECT_EQ(match.threshold, threshold);
    EXPECT_EQ(match.active, active);
    EXPECT_EQ(match.both, both);
    EXPECT_DOUBLE_EQ(match.iou,
                     either == 0 ? 0 : static_cast<double>(both) / static_cast<double>(either));
  }
}

TEST(MatchConcept, RefusesWhatMakesNoSense) {
  const auto kind_of = [](std::size_t rows, double alpha) {
    try {
      MatchConcept(Values(5), Rows(rows), alpha);
    } catch (const Error &error) {
      return error.kind();
    }
    ADD_FAILURE() << "nothing was thrown";
    return ErrorKind::kDevice;
  };
  EXPECT_EQ(kind_of(5, 0), ErrorKind::kInvalidArgument);
  EXPECT_EQ(kind_of(5, 1), ErrorKind::kInvalidArgument);
  EXPECT_EQ(kind_of(5, -0.1), ErrorKind::kInvalidArgument);
  EXPECT_EQ(kind_of(5, std::nan("")), ErrorKind::kInvalidArgument);
  EXPECT_EQ(kind_of(4, 0.5), ErrorKind::kInternal);
}

}  // namespace
}  // namespace trails
