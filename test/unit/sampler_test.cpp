// Samplers: what they promise of every sequence, and how each of them learns.
#include "core/filtering/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <limits>
#include <map>
#include <set>

#include "built_in_spaces.h"
#include "core/filtering/sampler_evolution.h"
#include "core/filtering/sampler_reinforce.h"
#include "core/random.h"
#include "trails/error.h"

namespace trails {
namespace {

using test::kMlp20;
using test::kTabular;

const SearchSpace kDeep{"deep", kMlp20.widths, 1, 8};
const SearchSpace kMixed{"mixed", {8, 16, 24, 32}, 1, 3};  // 84 candidates

constexpr double kNotANumber = std::numeric_limits<double>::quiet_NaN();

// A score with one peak: wide first layers, narrow last ones, two layers.
double Score(const HiddenWidths &widths) {
  return std::log(widths.front()) - 0.5 * std::log(widths.back()) -
         std::fabs(static_cast<double>(widths.size()) - 2.0);
}

// Proposes and tells, one after the other.
std::vector<HiddenWidths> Walk(Sampler *sampler, std::int64_t steps) {
  std::vector<HiddenWidths> proposed;
  while (std::ssize(proposed) < steps) {
    std::optional<HiddenWidths> widths = sampler->Propose();
    if (!widths) break;
    sampler->Tell(*widths, Score(*widths));
    proposed.push_back(std::move(*widths));
  }
  return proposed;
}

bool AreNeighbours(const HiddenWidths &a, const HiddenWidths &b) {
  if (a.size() == b.size()) {
    int different = 0;
    for (std::size_t layer = 0; layer < a.size(); ++layer) different += a[layer] != b[layer];
    return different == 1;
  }
  const HiddenWidths &longer = a.size() > b.size() ? a : b;
  const HiddenWidths &shorter = a.size() > b.size() ? b : a;
  if (longer.size() != shorter.size() + 1) return false;
  for (std::size_t layer = 0; layer < longer.size(); ++layer) {
    HiddenWidths without = longer;
    without.erase(without.begin() + static_cast<std::ptrdiff_t>(layer));
    if (without == shorter) return true;
  }
  return false;
}

class EverySampler : public testing::TestWithParam<SamplerKind> {};

TEST_P(EverySampler, EnumeratesTheSpaceEachCandidateOnce) {
  for (const SearchSpace &space :
       {kTabular, kMixed, SearchSpace{"one", {5}, 3, 3}, SearchSpace{"chain", {5}, 1, 8},
        SearchSpace{"flat", {3, 4, 5, 6, 7, 8}, 1, 1}}) {
    const auto sampler = MakeSampler(GetParam(), space, 3);
    std::set<std::int64_t> seen;
    for (const HiddenWidths &widths : Walk(sampler.get(), SpaceSize(space) + 1)) {
      EXPECT_TRUE(seen.insert(IndexOf(space, widths)).second) << ArchitectureName(widths);
    }
    EXPECT_EQ(std::ssize(seen), SpaceSize(space)) << space.name;
    EXPECT_FALSE(sampler->Propose());
  }
}

TEST_P(EverySampler, NeverRepeatsInAHugeSpaceWithSeveralOutstanding) {
  const auto sampler = MakeSampler(GetParam(), kDeep, 9);
  RandomStream random(1);
  std::set<HiddenWidths> seen;
  std::vector<HiddenWidths> outstanding;
  for (int step = 0; step < 5'000; ++step) {
    const std::optional<HiddenWidths> widths = sampler->Propose();
    ASSERT_TRUE(widths);
    ASSERT_GE(IndexOf(kDeep, *widths), 0);
    ASSERT_TRUE(seen.insert(*widths).second);
    outstanding.push_back(*widths);
    if (outstanding.size() < 8) continue;
    const auto told = outstanding.begin() + random.Below(8);
    sampler->Tell(*told, random.Below(20) == 0 ? kNotANumber : Score(*told));
    outstanding.erase(told);
  }
}

TEST_P(EverySampler, RepeatsItselfWithTheSameSeed) {
  const auto one = Walk(MakeSampler(GetParam(), kMlp20, 5).get(), 400);
  EXPECT_EQ(Walk(MakeSampler(GetParam(), kMlp20, 5).get(), 400), one);
  EXPECT_NE(Walk(MakeSampler(GetParam(), kMlp20, 6).get(), 400), one);
}

TEST_P(EverySampler, SurvivesScoresThatAreAllInvalidOrEqual) {
  for (const double score : {kNotANumber, 1.0, 0.0}) {
    const auto sampler = MakeSampler(GetParam(), kMixed, 3);
    std::set<HiddenWidths> seen;
    while (const std::optional<HiddenWidths> widths = sampler->Propose()) {
      EXPECT_TRUE(seen.insert(*widths).second);
      sampler->Tell(*widths, score);
    }
    EXPECT_EQ(std::ssize(seen), SpaceSize(kMixed));
  }
}

TEST_P(EverySampler, RefusesScoresOfWhatItDidNotPropose) {
  if (GetParam() == SamplerKind::kSequential) GTEST_SKIP() << "it learns nothing";
  const auto sampler = MakeSampler(GetParam(), kMlp20, 3);
  const HiddenWidths widths = *sampler->Propose();
  HiddenWidths other = widths;
  other[0] = widths[0] == 8 ? 16 : 8;
  EXPECT_THROW(sampler->Tell(other, 1), Error);
  sampler->Tell(widths, 1);
  EXPECT_THROW(sampler->Tell(widths, 1), Error);
}

INSTANTIATE_TEST_SUITE_P(, EverySampler,
                         testing::Values(SamplerKind::kSequential, SamplerKind::kRandom,
                                         SamplerKind::kEvolution, SamplerKind::kAsyncEvolution,
                                         SamplerKind::kWarmUpEvolution, SamplerKind::kMoveEvolution,
                                         SamplerKind::kReinforce),
                         [](const auto &kind) { return std::string(Name(kind.param)); });

TEST(Sampler, AWholeSpaceNeedsNone) {
  EXPECT_THROW(MakeSampler(SamplerKind::kWhole, kMlp20, 1), Error);
}

TEST(Sampler, SequentialAndRandomAreUniform) {
  // 83 degrees of freedom, p = 0.001: 127.
  for (const SamplerKind kind : {SamplerKind::kSequential, SamplerKind::kRandom}) {
    std::map<HiddenWidths, double> seen;
    for (std::uint64_t seed = 0; seed < 8'400; ++seed) {
      for (const HiddenWidths &widths : Walk(MakeSampler(kind, kMixed, seed).get(), 2)) {
        ++seen[widths];
      }
    }
    ASSERT_EQ(seen.size(), 84u);
    double chi_square = 0;
    for (const auto &[widths, count] : seen) chi_square += (count - 200) * (count - 200) / 200;
    EXPECT_LT(chi_square, 127) << Name(kind);
  }
}

TEST(Sampler, ThoseThatLearnFindBetterCandidatesThanRandom) {
  const auto mean_of_last = [](SamplerKind kind, std::uint64_t seed) {
    const auto proposed = Walk(MakeSampler(kind, kMlp20, seed).get(), 4'000);
    double sum = 0;
    for (std::size_t i = 3'500; i < 4'000; ++i) sum += Score(proposed[i]);
    return sum / 500;
  };
  for (std::uint64_t seed = 0; seed < 3; ++seed) {
    const double random = mean_of_last(SamplerKind::kRandom, seed);
    for (const SamplerKind kind :
         {SamplerKind::kEvolution, SamplerKind::kAsyncEvolution, SamplerKind::kWarmUpEvolution,
          SamplerKind::kMoveEvolution, SamplerKind::kReinforce}) {
      // The best score is 4.1 above the worst and 1.7 above the mean.
      EXPECT_GT(mean_of_last(kind, seed), random + 0.7) << Name(kind) << ", " << seed;
    }
  }
}

TEST(Neighbour, IsUniformAmongTheOtherWidthsAndDepths) {
  // Of {16, 24} in kMixed: two layers of three other widths each, and a third of the moves for the
  // depth, half of which take one of the two layers out.
  RandomStream random(4);
  std::map<HiddenWidths, double> seen;
  for (int draw = 0; draw < 36'000; ++draw) {
    const HiddenWidths child = *Neighbour(kMixed, {16, 24}, &random);
    ASSERT_TRUE(AreNeighbours(child, {16, 24})) << ArchitectureName(child);
    ASSERT_GE(IndexOf(kMixed, child), 0);
    ++seen[child];
  }
  for (const std::int32_t width : {8, 16, 24, 32}) {
    EXPECT_NEAR((seen[{width, 24}]), width == 16 ? 0 : 4'000, 250);
    EXPECT_NEAR((seen[{16, width}]), width == 24 ? 0 : 4'000, 250);
  }
  EXPECT_NEAR((seen[{16}]), 3'000, 250);
  EXPECT_NEAR((seen[{24}]), 3'000, 250);
  EXPECT_NEAR((seen[{8, 16, 24}]), 500, 120);
  EXPECT_FALSE(Neighbour(SearchSpace{"one", {5}, 3, 3}, {5, 5, 5}, &random));
}

// Plays regularised evolution by its rules beside the sampler.
TEST(Evolution, KeepsTenAndDropsTheOldest) {
  EvolutionSampler sampler(kMlp20, EvolutionRules::Of(SamplerKind::kEvolution, kMlp20), 7);
  std::deque<HiddenWidths> expected;
  for (int step = 0; step < 300; ++step) {
    const HiddenWidths widths = *sampler.Propose();
    if (step >= 10) {
      EXPECT_TRUE(std::any_of(expected.begin(), expected.end(), [&](const HiddenWidths &parent) {
        return AreNeighbours(parent, widths);
      })) << step;
    }
    sampler.Tell(widths, Score(widths));
    expected.push_back(widths);
    if (expected.size() > 10) expected.pop_front();
    if (step < 9) continue;
    ASSERT_EQ(sampler.population().size(), 10u);
    for (std::size_t i = 0; i < 10; ++i) {
      EXPECT_EQ(sampler.population()[i].widths, expected[i]);
    }
  }
}

TEST(Evolution, ParentsAreTheBestOfThreeDrawnWithReplacement) {
  // The first child after ten random ones, whose scores are their places: the parent is the best of
  // them with probability 1 - 0.9^3, the worst with 0.1^3. Only children with one possible parent
  // count.
  double best = 0, worst = 0, clear = 0;
  for (std::uint64_t seed = 0; seed < 4'000; ++seed) {
    EvolutionSampler sampler(kMlp20, EvolutionRules::Of(SamplerKind::kEvolution, kMlp20), seed);
    std::vector<HiddenWidths> first;
    for (int i = 0; i < 10; ++i) {
      first.push_back(*sampler.Propose());
      sampler.Tell(first.back(), i);
    }
    const HiddenWidths child = *sampler.Propose();
    std::vector<std::size_t> parents;
    for (std::size_t i = 0; i < 10; ++i) {
      if (AreNeighbours(first[i], child)) parents.push_back(i);
    }
    ASSERT_FALSE(parents.empty());
    if (parents.size() > 1) continue;
    ++clear;
    best += parents[0] == 9 ? 1 : 0;
    worst += parents[0] == 0 ? 1 : 0;
  }
  EXPECT_GT(clear, 3'500);
  EXPECT_NEAR(best / clear, 0.271, 0.03);
  EXPECT_LT(worst / clear, 0.005);
}

TEST(Evolution, CountsScoresInTheOrderOfTheProposalsUnlessAsynchronous) {
  for (const SamplerKind kind : {SamplerKind::kEvolution, SamplerKind::kAsyncEvolution}) {
    EvolutionSampler sampler(kMlp20, EvolutionRules::Of(kind, kMlp20), 2);
    std::vector<HiddenWidths> proposed;
    for (int i = 0; i < 14; ++i) proposed.push_back(*sampler.Propose());
    for (int i = 13; i >= 0; --i) {
      EXPECT_EQ(sampler.population().empty(), kind == SamplerKind::kEvolution || i > 3);
      sampler.Tell(proposed[static_cast<std::size_t>(i)], 1);
    }
    // The ten that joined last.
    ASSERT_EQ(sampler.population().size(), 10u);
    const bool async = kind == SamplerKind::kAsyncEvolution;
    EXPECT_EQ(sampler.population().back().widths, proposed[async ? 0 : 13]);
    EXPECT_EQ(sampler.population().front().widths, proposed[async ? 8 : 4]);
  }
}

TEST(Evolution, WarmUpStartsWithTheBestOfTheRandomOnes) {
  const EvolutionRules rules = EvolutionRules::Of(SamplerKind::kWarmUpEvolution, kMlp20);
  EXPECT_EQ(rules.random_first, 3'000);
  EXPECT_EQ(rules.population, 64);
  EXPECT_EQ(rules.tournament, 10);
  EXPECT_EQ(EvolutionRules::Of(SamplerKind::kWarmUpEvolution, kTabular).random_first, 87);
  EvolutionSampler sampler(kMlp20, rules, 2);
  auto proposed = Walk(&sampler, 3'000);
  std::stable_sort(proposed.begin(), proposed.end(),
                   [](const auto &a, const auto &b) { return Score(a) > Score(b); });
  ASSERT_EQ(sampler.population().size(), 64u);
  std::set<HiddenWidths> population;
  for (const auto &member : sampler.population()) population.insert(member.widths);
  EXPECT_EQ(population, std::set<HiddenWidths>(proposed.begin(), proposed.begin() + 64));
}

TEST(Evolution, OfFourNeighboursOneJoinsMostlyTheBest) {
  double best_joined = 0;
  double broods = 0;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    EvolutionSampler sampler(kMlp20, EvolutionRules::Of(SamplerKind::kMoveEvolution, kMlp20), seed);
    Walk(&sampler, 10);
    // A few generations: later, neighbours of the best begin to be known.
    for (int brood = 0; brood < 20; ++brood, ++broods) {
      const auto before = sampler.population();
      std::vector<HiddenWidths> children;
      for (int child = 0; child < 4; ++child) children.push_back(*sampler.Propose());
      for (const HiddenWidths &child : children) {
        EXPECT_EQ(sampler.population().back().widths, before.back().widths);
        sampler.Tell(child, Score(child));
      }
      const auto &after = sampler.population();
      ASSERT_EQ(after.size(), 10u);
      EXPECT_EQ(after[8].widths, before[9].widths);  // one joined, one left
      EXPECT_TRUE(std::find(children.begin(), children.end(), after[9].widths) != children.end());
      const auto best =
          std::max_element(children.begin(), children.end(),
                           [](const auto &a, const auto &b) { return Score(a) < Score(b); });
      best_joined += Score(after[9].widths) == Score(*best) ? 1 : 0;
    }
  }
  // 0.75, and a quarter of the rest; more where two share the best score.
  EXPECT_GT(best_joined / broods, 0.78);
  EXPECT_LT(best_joined / broods, 0.92);
}

TEST(Reinforce, RaisesTheProbabilityOfWhatIsRewarded) {
  ReinforceSampler sampler(kTabular, 3);
  const double before = sampler.Probability({384, 16});
  EXPECT_NEAR(before, 0.25 / 64, 1e-12);
  Walk(&sampler, 600);
  EXPECT_GT(sampler.Probability({384, 16}), 5 * before);
  EXPECT_LT(sampler.Probability({16, 384, 384, 384}), 0.25 / 4096);
}

TEST(Reinforce, TakesOneStepOfAdamAlongTheGradientOfOneScore) {
  // The first score is the baseline itself; the second, above it, raises the logit of what was
  // chosen and lowers the other by Adam's second step, whose moments have seen one gradient.
  const SearchSpace space{"pair", {4, 8}, 1, 1};
  ReinforceSampler sampler(space, 1);
  sampler.Tell(*sampler.Propose(), 1);
  EXPECT_DOUBLE_EQ(sampler.Probability({4}), 0.5);
  const HiddenWidths second = *sampler.Propose();
  sampler.Tell(second, 2);
  const double step = 0.05 * (0.1 / (1 - 0.9 * 0.9)) / std::sqrt(0.001 / (1 - 0.999 * 0.999));
  EXPECT_NEAR(sampler.Probability(second), 1 / (1 + std::exp(-2 * step)), 1e-7);
}

}  // namespace
}  // namespace trails
