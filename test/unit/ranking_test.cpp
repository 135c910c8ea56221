// Ranks, the rank sum of jacflow, and orders by the mean rank over banks.
#include "core/filtering/ranking.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>

#include "core/random.h"

namespace trails {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(Ranks, CountFromTheBestInTheDirectionOfTheTfmem) {
  const std::vector<double> scores = {3.5, -1, 1e300, 0, -1e300};
  EXPECT_EQ(Ranks(scores, /*higher_is_better=*/true), (std::vector<double>{2, 4, 1, 3, 5}));
  EXPECT_EQ(Ranks(scores, /*higher_is_better=*/false), (std::vector<double>{4, 2, 5, 3, 1}));
  EXPECT_TRUE(Ranks({}, true).empty());
}

TEST(Ranks, EqualScoresShareTheirMeanRank) {
  EXPECT_EQ(Ranks(std::vector<double>{1, 2, 1, 3, 1}, true), (std::vector<double>{4, 2, 4, 1, 4}));
  EXPECT_EQ(Ranks(std::vector<double>{0.0, -0.0}, true), (std::vector<double>{1.5, 1.5}));
}

TEST(Ranks, PutInvalidScoresLastInBothDirectionsAndLeaveOutWhatWasNotScored) {
  const std::vector<double> scores = {5, kInvalidScore, kNotScored, 7, kInvalidScore, -kInfinity};
  for (const bool higher : {true, false}) {
    const std::vector<double> ranks = Ranks(scores, higher);
    EXPECT_EQ(ranks[0], higher ? 2 : 1);
    EXPECT_EQ(ranks[3], higher ? 1 : 2);
    for (const std::size_t invalid : {1, 4, 5}) EXPECT_EQ(ranks[invalid], 4);
    EXPECT_TRUE(std::isnan(ranks[2]));
  }
}

TEST(Ranks, AreOneMoreThanTheNumberOfBetterScores) {
  RandomStream random(3);
  for (const std::int64_t distinct : {3, 40, 1'000'000}) {
    std::vector<double> scores;
    for (int i = 0; i < 700; ++i) {
      scores.push_back(static_cast<double>(random.Below(distinct)) - 0.3 * distinct);
    }
    const std::vector<double> ranks = Ranks(scores, true);
    for (std::size_t i = 0; i < scores.size(); ++i) {
      double better = 0, equal = 0;
      for (const double other : scores) {
        better += other > scores[i] ? 1 : 0;
        equal += other == scores[i] ? 1 : 0;
      }
      ASSERT_EQ(ranks[i], better + (1 + equal) / 2);
    }
  }
}

TEST(Jacflow, IsTheSumOfAscendingRanksByTheNumberOfCandidates) {
  // Ascending ranks of nas_wot: 2 1 4 3; of synflow: 1 3 4 2.
  EXPECT_EQ(Jacflow({20, 10, 40, 30}, {1e-3, 1e9, 1e12, 7}),
            (std::vector<double>{3.0 / 4, 4.0 / 4, 8.0 / 4, 5.0 / 4}));
}

TEST(Jacflow, IsInvalidOrNotScoredWhereAPartIs) {
  const std::vector<double> scores =
      Jacflow({1, kInvalidScore, 3, kNotScored, 5}, {10, 20, kInvalidScore, 40, 50});
  EXPECT_EQ(scores[1], kInvalidScore);
  EXPECT_EQ(scores[2], kInvalidScore);
  EXPECT_TRUE(std::isnan(scores[3]));
  // Of four candidates, nas_wot has the order 2 1 5 3 4, the invalid one below the rest, and
  // synflow, without the fourth, 3 1 2 5.
  EXPECT_EQ(scores[0], (2.0 + 2.0) / 4);
  EXPECT_EQ(scores[4], (4.0 + 4.0) / 4);
}

TEST(OrderByMeanRank, AveragesBanksAndLeavesOutWhatSomeBankDidNotScore) {
  const std::vector<std::vector<double>> ranks = {{1, 2, 3, 4, kNotScored},
                                                  {4, 1, 3, kNotScored, 2}};
  EXPECT_EQ(OrderByMeanRank(ranks, 1), (std::vector<std::int64_t>{1, 0, 2}));
  EXPECT_TRUE(OrderByMeanRank({}, 1).empty());
}

TEST(OrderByMeanRank, BreaksTiesAtRandomBySeed) {
  // 5 degrees of freedom, p = 0.001: 20.5.
  std::map<std::vector<std::int64_t>, double> seen;
  for (std::uint64_t seed = 0; seed < 6'000; ++seed) {
    const auto order = OrderByMeanRank({{3, 1, 3, 3}}, RandomStream::ForPurpose(seed, 1).Next());
    EXPECT_EQ(order[0], 1);
    ++seen[order];
  }
  ASSERT_EQ(seen.size(), 6u);
  double chi_square = 0;
  for (const auto &[order, count] : seen) chi_square += (count - 1000) * (count - 1000) / 1000;
  EXPECT_LT(chi_square, 20.5);
}

}  // namespace
}  // namespace trails
