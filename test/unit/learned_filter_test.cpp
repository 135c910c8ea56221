// What the learned filter makes of results, and what it proposes.
#include "core/filtering/learned_filter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <span>

#include "built_in_spaces.h"
#include "core/filtering/ranking.h"
#include "core/random.h"

namespace trails {
namespace {

using test::kMlp20;
using test::kTabular;

const std::vector<float> kRates = {0.0f, 0.2f, 0.4f};
constexpr double kNotANumber = std::numeric_limits<double>::quiet_NaN();

bool Anything(const HiddenWidths &) {
  return true;
}

double SamePrice(const HiddenWidths &) {
  return 1;
}

LearnedFilter FilterOf(const SearchSpace &space, const std::vector<float> &rates = {0.0f},
                       const std::vector<PastCandidate> &past = {}) {
  return {space, BuildFeatureTable(space, 100, 1, {}), rates, past, /*seed=*/3};
}

// A landscape: wide first layers, not too wide last ones, shallow rather than deep.
double Merit(const HiddenWidths &widths, float dropout = 0) {
  return 0.9 + 0.02 * std::log(widths.front()) -
         0.01 * std::pow(std::log(widths.back()) - std::log(64.0), 2) -
         0.004 * static_cast<double>(widths.size()) - 0.05 * dropout;
}

// Random candidates, every number of layers as likely.
std::vector<std::int64_t> Draw(const SearchSpace &space, std::int64_t count, std::uint64_t seed) {
  RandomStream random(seed);
  std::vector<std::int64_t> drawn;
  while (std::ssize(drawn) < count) {
    const auto layers = static_cast<std::int32_t>(
        space.min_layers + random.Below(space.max_layers - space.min_layers + 1));
    const HiddenWidths widths =
        CandidateAtDepth(space, layers, random.Below(SpaceSizeAtDepth(space, layers)));
    drawn.push_back(IndexOf(space, widths));
  }
  return drawn;
}

double Spearman(const std::vector<double> &a, const std::vector<double> &b) {
  const std::vector<double> x = Ranks(a, true), y = Ranks(b, true);
  const double middle = (static_cast<double>(x.size()) + 1) / 2;
  double xy = 0, xx = 0, yy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    xy += (x[i] - middle) * (y[i] - middle);
    xx += (x[i] - middle) * (x[i] - middle);
    yy += (y[i] - middle) * (y[i] - middle);
  }
  return xy / std::sqrt(xx * yy);
}

std::vector<double> MeritsOf(const SearchSpace &space, const std::vector<std::int64_t> &candidates,
                             float dropout = 0) {
  std::vector<double> merits;
  for (const std::int64_t candidate : candidates) {
    merits.push_back(Merit(CandidateAt(space, candidate), dropout));
  }
  return merits;
}

TEST(LearnedFilter, FortyResultsTellTheOrderOfTheOthers) {
  for (const SearchSpace &space : {kTabular, kMlp20}) {
    LearnedFilter filter = FilterOf(space);
    RandomStream noise(1);
    for (const std::int64_t candidate : Draw(space, 40, 5)) {
      filter.Tell(candidate, 0, Merit(CandidateAt(space, candidate)) + 0.003 * noise.Normal());
    }
    EXPECT_EQ(filter.observations(), 40);
    const std::vector<std::int64_t> others = Draw(space, 500, 6);
    EXPECT_GT(Spearman(filter.Predict(others, 0), MeritsOf(space, others)), 0.85) << space.name;
  }
}

TEST(LearnedFilter, NoScaleOfTheMetricMatters) {
  LearnedFilter one = FilterOf(kTabular), other = FilterOf(kTabular);
  const std::vector<std::int64_t> drawn = Draw(kTabular, 20, 5);
  for (const std::int64_t candidate : drawn) {
    const double merit = Merit(CandidateAt(kTabular, candidate));
    one.Tell(candidate, 0, merit);
    other.Tell(candidate, 0, std::exp(100 * merit));
  }
  EXPECT_EQ(one.Predict(drawn, 0), other.Predict(drawn, 0));
}

TEST(LearnedFilter, DropoutIsLearnedWithTheWidths) {
  LearnedFilter filter = FilterOf(kTabular, kRates);
  const std::vector<std::int64_t> drawn = Draw(kTabular, 30, 7);
  for (std::size_t i = 0; i < drawn.size(); ++i) {
    const float dropout = kRates[i % 3];
    filter.Tell(drawn[i], dropout, Merit(CandidateAt(kTabular, drawn[i]), dropout));
  }
  const std::vector<double> without = filter.Predict(drawn, 0.0f);
  const std::vector<double> with = filter.Predict(drawn, 0.4f);
  for (std::size_t i = 0; i < drawn.size(); ++i) EXPECT_GT(without[i], with[i]);
  const std::optional<LearnedProposal> proposal = filter.Propose(Anything, SamePrice);
  ASSERT_TRUE(proposal);
  EXPECT_EQ(proposal->dropout, 0.0f);
}

TEST(LearnedFilter, WhatDivergedIsTheWorst) {
  LearnedFilter filter = FilterOf(kTabular);
  std::vector<std::int64_t> wide, narrow;
  for (const std::int64_t candidate : Draw(kTabular, 60, 8)) {
    const bool is_wide = CandidateAt(kTabular, candidate).front() >= 128;
    (is_wide ? wide : narrow).push_back(candidate);
    filter.Tell(candidate, 0, is_wide ? kNotANumber : -1e9);
  }
  const auto mean = [&](const std::vector<std::int64_t> &candidates) {
    double sum = 0;
    for (const double value : filter.Predict(candidates, 0)) sum += value;
    return sum / static_cast<double>(candidates.size());
  };
  EXPECT_GT(mean(narrow), mean(wide) + 0.5);
}

TEST(LearnedFilter, ProposesNothingBeforeItKnowsAnything) {
  LearnedFilter filter = FilterOf(kTabular);
  EXPECT_FALSE(filter.Propose(Anything, SamePrice));
  filter.Begin(17, 0);
  EXPECT_FALSE(filter.Propose(Anything, SamePrice));
  EXPECT_EQ(filter.observations(), 0);
  filter.Tell(17, 0, 0.5);
  EXPECT_TRUE(filter.Propose(Anything, SamePrice));
}

TEST(LearnedFilter, ProposesWhatSuitsAndNothingTwice) {
  const SearchSpace space{"small", {8, 16, 32}, 1, 2};  // 12 candidates
  LearnedFilter filter = FilterOf(space, kRates);
  filter.Begin(0, 0.2f);
  filter.Tell(0, 0.2f, 0.5);
  filter.Tell(1, 0.2f, 0.6);
  const auto is_deep = [](const HiddenWidths &widths) { return widths.size() == 2; };
  std::set<std::int64_t> proposed;
  while (const std::optional<LearnedProposal> proposal = filter.Propose(is_deep, SamePrice)) {
    EXPECT_EQ(CandidateAt(space, proposal->candidate).size(), 2u);
    EXPECT_TRUE(std::find(kRates.begin(), kRates.end(), proposal->dropout) != kRates.end());
    EXPECT_GT(proposal->deviation, 0);
    EXPECT_TRUE(proposed.insert(proposal->candidate).second);
    filter.Begin(proposal->candidate, proposal->dropout);
  }
  EXPECT_EQ(proposed.size(), 9u);
  // 0 and 1 were begun, 2 has one layer.
  const std::optional<LearnedProposal> last = filter.Propose(Anything, SamePrice);
  ASSERT_TRUE(last);
  EXPECT_EQ(last->candidate, 2);
  filter.Begin(2, 0);
  EXPECT_FALSE(filter.Propose(Anything, SamePrice));
}

TEST(LearnedFilter, SameCallsSameProposals) {
  for (const SearchSpace &space : {kTabular, kMlp20}) {
    LearnedFilter one = FilterOf(space, kRates), other = FilterOf(space, kRates);
    for (const std::int64_t candidate : Draw(space, 9, 9)) {
      one.Tell(candidate, 0.2f, Merit(CandidateAt(space, candidate)));
      other.Tell(candidate, 0.2f, Merit(CandidateAt(space, candidate)));
    }
    for (int step = 0; step < 3; ++step) {
      const std::optional<LearnedProposal> a = one.Propose(Anything, SamePrice),
                                           b = other.Propose(Anything, SamePrice);
      ASSERT_TRUE(a && b);
      EXPECT_EQ(a->candidate, b->candidate);
      EXPECT_EQ(a->dropout, b->dropout);
      EXPECT_EQ(a->mean, b->mean);
      one.Begin(a->candidate, a->dropout);
      other.Begin(b->candidate, b->dropout);
    }
  }
}

TEST(LearnedFilter, FindsBetterCandidatesThanChance) {
  for (const SearchSpace &space : {kTabular, kMlp20}) {
    double learned = 0, chance = 0;
    for (std::uint64_t seed = 0; seed < 5; ++seed) {
      LearnedFilter filter = FilterOf(space);
      RandomStream noise(seed);
      double best = 0, best_of_draw = 0;
      const std::vector<std::int64_t> drawn = Draw(space, 24, 100 + seed);
      for (std::size_t i = 0; i < drawn.size(); ++i) {
        const HiddenWidths random = CandidateAt(space, drawn[i]);
        best_of_draw = std::max(best_of_draw, Merit(random));
        std::int64_t candidate = drawn[i];
        if (i >= 8) {
          const std::optional<LearnedProposal> proposal = filter.Propose(Anything, SamePrice);
          ASSERT_TRUE(proposal);
          candidate = proposal->candidate;
        }
        const double merit = Merit(CandidateAt(space, candidate));
        best = std::max(best, merit);
        filter.Begin(candidate, 0);
        filter.Tell(candidate, 0, merit + 0.003 * noise.Normal());
      }
      learned += best / 5;
      chance += best_of_draw / 5;
    }
    EXPECT_GT(learned, chance + 0.002) << space.name;
  }
}

TEST(LearnedFilter, ADearCandidateHasToPromiseMore) {
  LearnedFilter filter = FilterOf(kTabular, kRates);
  for (const std::int64_t candidate : Draw(kTabular, 24, 5)) {
    filter.Tell(candidate, 0.2f, Merit(CandidateAt(kTabular, candidate)));
  }
  const auto size = [](const HiddenWidths &widths) {
    return static_cast<double>(CountParameters(widths, 100, 1));
  };
  const auto free = filter.Propose(Anything, SamePrice);
  const auto paid = filter.Propose(Anything, size);
  ASSERT_TRUE(free && paid);
  EXPECT_LT(size(CandidateAt(kTabular, paid->candidate)),
            0.8 * size(CandidateAt(kTabular, free->candidate)));
  // Whatever it costs, what has no rival is proposed.
  const auto only = [&](const HiddenWidths &widths) {
    return IndexOf(kTabular, widths) == free->candidate;
  };
  const auto left = filter.Propose(only, size);
  ASSERT_TRUE(left);
  EXPECT_EQ(left->candidate, free->candidate);
}

TEST(LearnedFilter, ThePastIsKnownFromTheStart) {
  std::vector<PastCandidate> past;
  const std::vector<std::int64_t> drawn = Draw(kTabular, 24, 11);
  const std::vector<double> ranks = Ranks(MeritsOf(kTabular, drawn), true);
  for (std::size_t i = 0; i < drawn.size(); ++i) {
    past.push_back({ArchitectureName(CandidateAt(kTabular, drawn[i])), 0.0, (24 - ranks[i]) / 23});
  }
  std::vector<PastCandidate> of_other_spaces = past;
  for (PastCandidate &candidate : of_other_spaces) candidate.architecture += "-17";

  LearnedFilter filter = FilterOf(kTabular, {0.0f}, past);
  EXPECT_EQ(filter.observations(), 24);
  const std::vector<std::int64_t> others = Draw(kTabular, 500, 12);
  EXPECT_GT(Spearman(filter.Predict(others, 0), MeritsOf(kTabular, others)), 0.7);
  // What an earlier run trained may be trained again.
  const std::optional<LearnedProposal> proposal = filter.Propose(
      [&](const HiddenWidths &widths) { return IndexOf(kTabular, widths) == drawn.front(); },
      SamePrice);
  EXPECT_TRUE(proposal);
  EXPECT_EQ(FilterOf(kTabular, {0.0f}, of_other_spaces).observations(), 0);
}

TEST(LearnedFilter, ALongPastIsThinnedFromTheBestToTheWorst) {
  std::vector<std::int64_t> drawn = Draw(kTabular, 200, 15);
  std::sort(drawn.begin(), drawn.end(), [](std::int64_t a, std::int64_t b) {
    return Merit(CandidateAt(kTabular, a)) > Merit(CandidateAt(kTabular, b));
  });
  std::vector<PastCandidate> past;
  for (std::size_t i = 0; i < drawn.size(); ++i) {
    past.push_back(
        {ArchitectureName(CandidateAt(kTabular, drawn[i])), 0.0, 1 - static_cast<double>(i) / 199});
  }
  LearnedFilter filter = FilterOf(kTabular, {0.0f}, past);
  EXPECT_EQ(filter.observations(), 60);
  const std::vector<double> predicted = filter.Predict(drawn, 0);
  EXPECT_GT(Spearman(predicted, MeritsOf(kTabular, drawn)), 0.85);
  EXPECT_GT(predicted.front(), 0.8);
  EXPECT_LT(predicted.back(), -0.8);
}

TEST(LearnedFilter, HundredsOfResultsAreNotTooMany) {
  LearnedFilter filter = FilterOf(kTabular, kRates);
  const std::vector<std::int64_t> drawn = Draw(kTabular, 400, 13);
  for (std::size_t i = 0; i < drawn.size(); ++i) {
    const float dropout = kRates[i % 3];
    filter.Tell(drawn[i], dropout, Merit(CandidateAt(kTabular, drawn[i]), dropout));
  }
  const std::vector<std::int64_t> others = Draw(kTabular, 500, 14);
  EXPECT_GT(Spearman(filter.Predict(others, 0), MeritsOf(kTabular, others)), 0.9);
}

TEST(LearnedFilter, ASpaceOfOneCandidateHasNothingLeft) {
  LearnedFilter filter = FilterOf({"one", {16}, 1, 1});
  filter.Begin(0, 0);
  filter.Tell(0, 0, 0.5);
  EXPECT_FALSE(filter.Propose(Anything, SamePrice));
  EXPECT_TRUE(std::isfinite(filter.Predict({0}, 0).front()));
}

}  // namespace
}  // namespace trails
