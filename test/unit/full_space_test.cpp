#include "core/filtering/full_space.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <thread>
#include <vector>

#include "built_in_spaces.h"
#include "core/filtering/ranking.h"
#include "core/filtering/tfmem.h"
#include "core/random.h"
#include "forced_targets.h"
#include "trails/error.h"

namespace trails {
namespace {

constexpr std::uint64_t kSeed = 5;

ScoringBatch RandomBatch(std::int32_t rows, std::int32_t inputs, std::int32_t outputs,
                         std::uint64_t seed) {
  RandomStream random(seed);
  ScoringBatch batch;
  batch.rows = rows;
  batch.inputs = inputs;
  batch.outputs = outputs;
  batch.regression = outputs == 1;
  for (std::int32_t i = 0; i < rows * inputs; ++i) {
    batch.x.push_back(static_cast<float>(random.Normal()));
  }
  for (std::int32_t row = 0; row < rows; ++row) {
    if (batch.regression) {
      batch.targets.push_back(static_cast<float>(random.Normal()));
    } else {
      batch.labels.push_back(static_cast<std::int32_t>(random.Below(outputs)));
    }
  }
  return batch;
}

struct ControlledRun {
  Progress progress;
  std::stop_source stop;
  RunControl control;

  ControlledRun() {
    control.stop = stop.get_token();
    control.progress = &progress;
  }
};

SpaceScores Score(const SearchSpace &space, const std::vector<Tfmem> &tfmems,
                  const ScoringBatch &batch, std::int32_t threads = 1) {
  ControlledRun run;
  return ScoreFullSpace(space, tfmems, batch, batch.inputs, batch.outputs, kSeed, 1, threads,
                        Clock::time_point::max(), run.control);
}

// nas_wot by its definition, in double.
struct NaiveScore {
  double score = kInvalidScore;
  bool doubtful = false;  // some pre-activation is so near zero that float may see its other side
};

// The layer's pre-activations [rows][units], normalised over the rows where asked for.
std::vector<std::vector<double>> NaiveLayer(const std::vector<std::vector<double>> &h,
                                            const std::vector<double> &weight,
                                            const std::vector<double> &bias, bool batch_norm) {
  const std::size_t rows = h.size(), fan_in = h[0].size(), units = bias.size();
  std::vector<std::vector<double>> y(rows, std::vector<double>(units));
  for (std::size_t unit = 0; unit < units; ++unit) {
    double mean = 0, var = 0;
    for (std::size_t b = 0; b < rows; ++b) {
      for (std::size_t i = 0; i < fan_in; ++i) {
        y[b][unit] += double{weight[unit * fan_in + i]} * h[b][i];
      }
      y[b][unit] += double{bias[unit]};
      mean += y[b][unit] / static_cast<double>(rows);
    }
    if (!batch_norm) continue;
    for (std::size_t b = 0; b < rows; ++b) {
      y[b][unit] -= mean;
      var += y[b][unit] * y[b][unit] / static_cast<double>(rows);
    }
    for (std::size_t b = 0; b < rows; ++b) {
      y[b][unit] /= std::sqrt(var + 1e-5);
      if (std::fabs(y[b][unit]) < 1e-12) y[b][unit] = 0;  // a unit that is constant
    }
  }
  return y;
}

// ln |det| by elimination with complete pivoting; the matrix holds integers of at most k[0][0].
double LogDeterminant(std::vector<std::vector<long double>> k) {
  const std::size_t n = k.size();
  const long double zero = 1e-9L * k[0][0];
  long double logarithm = 0;
  for (std::size_t step = 0; step < n; ++step) {
    std::size_t row = step, column = step;
    for (std::size_t i = step; i < n; ++i) {
      for (std::size_t j = step; j < n; ++j) {
        if (std::fabs(k[i][j]) > std::fabs(k[row][column])) row = i, column = j;
      }
    }
    std::swap(k[step], k[row]);
    for (auto &line : k) std::swap(line[step], line[column]);
    if (std::fabs(k[step][step]) <= zero) return -INFINITY;
    logarithm += std::log(std::fabs(k[step][step]));
    for (std::size_t i = step + 1; i < n; ++i) {
      const long double factor = k[i][step] / k[step][step];
      for (std::size_t j = step; j < n; ++j) k[i][j] -= factor * k[step][j];
    }
  }
  return static_cast<double>(logarithm);
}

NaiveScore NaiveNasWot(const InitialWeights &weights, const ScoringBatch &batch, bool batch_norm) {
  const auto rows = static_cast<std::size_t>(batch.rows);
  const auto inputs = static_cast<std::size_t>(batch.inputs);
  NaiveScore naive;
  std::vector<std::vector<double>> h(rows);
  for (std::size_t b = 0; b < rows; ++b) {
    h[b].assign(batch.x.begin() + static_cast<std::ptrdiff_t>(b * inputs),
                batch.x.begin() + static_cast<std::ptrdiff_t>((b + 1) * inputs));
  }
  std::vector<std::vector<long double>> k(rows, std::vector<long double>(rows));
  for (std::size_t layer = 0; layer + 1 < weights.weight.size(); ++layer) {
    const auto y = NaiveLayer(h, weights.weight[layer], weights.bias[layer], batch_norm);
    for (std::size_t i = 0; i < rows; ++i) {
      for (std::size_t j = 0; j < rows; ++j) {
        for (std::size_t unit = 0; unit < y[i].size(); ++unit) {
          k[i][j] += (y[i][unit] > 0) == (y[j][unit] > 0) ? 1 : 0;
        }
      }
      h[i].assign(y[i].size(), 0);
      for (std::size_t unit = 0; unit < y[i].size(); ++unit) {
        h[i][unit] = std::max(y[i][unit], 0.0);
        if (y[i][unit] != 0 && std::fabs(y[i][unit]) < 3e-6) naive.doubtful = true;
      }
    }
  }
  const double logarithm = LogDeterminant(std::move(k));
  naive.score = logarithm < -0.5 ? kInvalidScore : logarithm;
  return naive;
}

struct PatternCase {
  SearchSpace space;
  std::int32_t rows, inputs, outputs;
};

// Random candidates of the space against the definition, from the slices of the same bank. Returns
// how many were singular.
int CheckPatterns(const PatternCase &of, int wanted) {
  const ScoringBatch batch = RandomBatch(of.rows, of.inputs, of.outputs, 9);
  const SpaceScores scores = Score(of.space, {Tfmem::kNasWot, Tfmem::kNasWotPlain}, batch);
  EXPECT_TRUE(scores.complete);
  const WeightBank bank(of.space, of.inputs, of.outputs, kSeed, 1, false);
  RandomStream random(17);
  const std::int64_t size = SpaceSize(of.space);
  int singular = 0, doubtful = 0, compared = 0;
  for (std::int64_t i = 0; i < std::min<std::int64_t>(wanted, size); ++i) {
    const std::int64_t candidate = size <= wanted ? i : random.Below(size);
    const InitialWeights weights = bank.Slice(CandidateAt(of.space, candidate));
    for (const Tfmem tfmem : {Tfmem::kNasWot, Tfmem::kNasWotPlain}) {
      const NaiveScore naive = NaiveNasWot(weights, batch, tfmem == Tfmem::kNasWot);
      const double score = scores.of(tfmem)[static_cast<std::size_t>(candidate)];
      ++compared;
      doubtful += naive.doubtful ? 1 : 0;
      if (naive.doubtful) continue;
      singular += naive.score == kInvalidScore ? 1 : 0;
      const std::string name = ArchitectureName(CandidateAt(of.space, candidate));
      if (naive.score == kInvalidScore || score == kInvalidScore) {
        EXPECT_EQ(score, naive.score) << name << " " << Name(tfmem);
      } else {
        EXPECT_NEAR(score, naive.score, 1e-5 * naive.score) << name << " " << Name(tfmem);
      }
    }
  }
  EXPECT_LE(doubtful, std::max(1, compared / 5));
  return singular;
}

TEST(FullSpace, PatternsEqualTheDefinitionInSpacesOfEveryDepth) {
  EXPECT_GT(CheckPatterns({{"one", {5, 16, 40}, 1, 1}, 7, 20, 2}, 40), 0);
  CheckPatterns({{"two", {8, 24, 33}, 1, 2}, 32, 17, 1}, 40);
  CheckPatterns({{"two", {50, 100}, 2, 2}, 64, 30, 5}, 40);
  CheckPatterns({{"three", {16, 50, 100}, 1, 3}, 32, 20, 5}, 40);
  CheckPatterns({{"five", {3, 30, 31}, 2, 5}, 7, 8, 1}, 40);
  CheckPatterns({{"six", {24}, 6, 6}, 16, 33, 2}, 40);
  EXPECT_GT(CheckPatterns({{"eight", {10, 20}, 1, 8}, 31, 20, 2}, 510), 0);
}

TEST(FullSpace, PatternsEqualTheDefinitionInMlp20) {
  CheckPatterns({test::kMlp20, 32, 100, 2}, 40);
}

TEST(FullSpace, PatternsAreTheSameOnEveryTarget) {
  test::ForEachTarget([] {
    CheckPatterns({{"three", {16, 21, 64}, 1, 3}, 32, 20, 2}, 20);
    CheckPatterns({{"four", {9, 40}, 3, 4}, 50, 20, 2}, 20);
  });
}

TEST(FullSpace, TakesBatchesOfOneAndTwoRows) {
  const SearchSpace space{"small", {8, 20}, 1, 3};
  const SpaceScores one =
      Score(space, {Tfmem::kNasWot, Tfmem::kNasWotPlain}, RandomBatch(1, 10, 2, 3));
  for (std::int64_t i = 0; i < SpaceSize(space); ++i) {
    double units = 0;
    for (const std::int32_t width : CandidateAt(space, i)) units += width;
    // A single sample agrees with itself.
    EXPECT_DOUBLE_EQ(one.of(Tfmem::kNasWot)[static_cast<std::size_t>(i)], std::log(units));
    EXPECT_DOUBLE_EQ(one.of(Tfmem::kNasWotPlain)[static_cast<std::size_t>(i)], std::log(units));
  }
  CheckPatterns({space, 2, 10, 2}, 40);
}

TEST(FullSpace, CallsNetworksOfEqualRowsSingular) {
  const SearchSpace space{"small", {8, 20, 64}, 1, 3};
  ScoringBatch batch = RandomBatch(32, 10, 2, 3);
  std::copy_n(batch.x.begin(), batch.inputs, batch.x.begin() + 20 * batch.inputs);
  const SpaceScores scores = Score(space, {Tfmem::kNasWot, Tfmem::kNasWotPlain}, batch);
  for (const auto &column : scores.scores) {
    for (const double score : column) EXPECT_EQ(score, kInvalidScore);
  }
}

TEST(FullSpace, GivesEveryTfmemThatItKnows) {
  const SearchSpace space{"small", {8, 20, 32}, 1, 3};
  std::vector<Tfmem> known;
  for (std::size_t i = 0; i < kTfmems; ++i) {
    const auto tfmem = static_cast<Tfmem>(i);
    if (Traits(tfmem).whole_space) known.push_back(tfmem);
  }
  const ScoringBatch batch = RandomBatch(16, 10, 3, 3);
  const SpaceScores one = Score(space, known, batch, 1);
  const SpaceScores three = Score(space, known, batch, 3);
  EXPECT_EQ(one.tfmems, known);
  for (const Tfmem tfmem : known) {
    for (std::size_t i = 0; i < one.of(tfmem).size(); ++i) {
      EXPECT_FALSE(std::isnan(one.of(tfmem)[i])) << Name(tfmem) << " " << i;
    }
    EXPECT_EQ(one.of(tfmem), three.of(tfmem)) << Name(tfmem);
  }
  for (std::int64_t i = 0; i < SpaceSize(space); ++i) {
    EXPECT_EQ(one.of(Tfmem::kFlops)[static_cast<std::size_t>(i)],
              ClosedFormScore(Tfmem::kFlops, CandidateAt(space, i), 10, 3, kSeed));
  }
  EXPECT_THROW(Score(space, {Tfmem::kKnas}, batch), Error);
  EXPECT_THROW(Score(space, {Tfmem::kNasWot}, RandomBatch(0, 10, 3, 3)), Error);
}

TEST(FullSpace, BringsThePartsOfJacflow) {
  const SpaceScores scores = Score(test::kTabular, {Tfmem::kJacflow}, RandomBatch(32, 20, 2, 3));
  EXPECT_EQ(scores.tfmems, (std::vector<Tfmem>{Tfmem::kJacflow, Tfmem::kNasWot, Tfmem::kSynflow}));
  EXPECT_EQ(scores.of(Tfmem::kJacflow),
            Jacflow(scores.of(Tfmem::kNasWot), scores.of(Tfmem::kSynflow)));
  EXPECT_THROW(scores.of(Tfmem::kGrasp), Error);
}

TEST(FairPrefixes, CoverEachWidthAlikeAtAnyLength) {
  for (const SearchSpace &space : {test::kTabular, test::kMlp20, SearchSpace{"one", {5}, 1, 3},
                                   SearchSpace{"flat", {5, 9, 12}, 1, 1}}) {
    const auto widths = static_cast<std::ptrdiff_t>(space.widths.size());
    const std::vector<TriePrefix> prefixes = FairPrefixes(space, 3);
    std::vector<std::int32_t> firsts(space.widths.size()), seconds(space.widths.size());
    std::set<std::pair<std::int32_t, std::int32_t>> seen;
    std::int32_t alone = 0;
    for (const TriePrefix &prefix : prefixes) {
      EXPECT_TRUE(seen.emplace(prefix.first, prefix.second).second);
      if (prefix.second < 0) {
        ++alone;
        continue;
      }
      ++firsts[static_cast<std::size_t>(prefix.first)];
      ++seconds[static_cast<std::size_t>(prefix.second)];
      for (const auto &counts : {firsts, seconds}) {
        const auto [least, most] = std::ranges::minmax_element(counts);
        EXPECT_LE(*most - *least, 1);
      }
    }
    EXPECT_EQ(alone, space.min_layers == 1 ? widths : 0);
    EXPECT_EQ(std::ssize(prefixes), alone + (space.max_layers > 1 ? widths * widths : 0));
  }
  EXPECT_NE(FairPrefixes(test::kMlp20, 1).front().first,
            FairPrefixes(test::kMlp20, 2).front().first);
}

// What is done when the time is up before the start is one whole prefix; progress counts it.
TEST(FullSpace, FinishesOnePrefixWhateverTheClock) {
  ControlledRun run;
  const ScoringBatch batch = RandomBatch(32, 20, 2, 3);
  const SpaceScores scores =
      ScoreFullSpace(test::kTabular, {Tfmem::kNasWot, Tfmem::kParams}, batch, 20, 2, kSeed, 0, 2,
                     Clock::time_point::min(), run.control);
  EXPECT_FALSE(scores.complete);
  std::set<std::vector<std::int32_t>> prefixes;
  std::int64_t scored = 0;
  for (std::int64_t i = 0; i < SpaceSize(test::kTabular); ++i) {
    const auto at = static_cast<std::size_t>(i);
    EXPECT_EQ(std::isnan(scores.of(Tfmem::kNasWot)[at]), std::isnan(scores.of(Tfmem::kParams)[at]));
    if (std::isnan(scores.of(Tfmem::kNasWot)[at])) continue;
    const HiddenWidths widths = CandidateAt(test::kTabular, i);
    prefixes.emplace(widths.begin(),
                     widths.begin() + std::min<std::ptrdiff_t>(std::ssize(widths), 2));
    ++scored;
  }
  EXPECT_EQ(prefixes.size(), 1U);
  EXPECT_TRUE(scored == 1 || scored == 1 + 8 + 64) << scored;
  EXPECT_EQ(run.progress.candidates_scored, scored);
}

TEST(FullSpace, CountsEveryCandidateOnce) {
  ControlledRun run;
  for (const auto &tfmems : {std::vector<Tfmem>{Tfmem::kWeightNorm},
                             {Tfmem::kWeightNorm, Tfmem::kNasWot, Tfmem::kSynflow}}) {
    run.progress.candidates_scored = 0;
    ScoreFullSpace(test::kTabular, tfmems, RandomBatch(32, 20, 2, 3), 20, 2, kSeed, 0, 2,
                   Clock::time_point::max(), run.control);
    EXPECT_EQ(run.progress.candidates_scored, SpaceSize(test::kTabular));
  }
}

// Of several seconds of work, the cancel comes in the first tenth.
TEST(FullSpace, StopsSoonAfterACancel) {
  ControlledRun run;
  const ScoringBatch batch = RandomBatch(32, 100, 2, 3);
  Clock::time_point asked;
  std::jthread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(40));
    asked = Clock::now();
    run.stop.request_stop();
  });
  EXPECT_THROW(ScoreFullSpace(test::kMlp20, {Tfmem::kNasWot, Tfmem::kGradNorm}, batch, 100, 2,
                              kSeed, 0, 1, Clock::time_point::max(), run.control),
               Error);
  const Clock::time_point ended = Clock::now();
  other.join();
  EXPECT_LT(ended - asked, std::chrono::milliseconds(50));
}

TEST(FullSpace, RefusesWhatDoesNotFit) {
  const std::vector<Tfmem> forward{Tfmem::kJacflow};
  EXPECT_TRUE(FitsFullSpace(test::kMlp20, 430, 2, forward));
  EXPECT_TRUE(FitsFullSpace(test::kMlp20, 430, 2, {Tfmem::kGrasp}));
  EXPECT_TRUE(FitsFullSpace(test::kTabular, 430, 1'000, forward));
  EXPECT_FALSE(FitsFullSpace(test::kTabular, 430, 1'001, forward));
  EXPECT_FALSE(FitsFullSpace(test::kMlp20, 430, 2, {Tfmem::kKnas}));
  EXPECT_FALSE(FitsFullSpace(test::kMlp20, 200'000, 2, forward));
  EXPECT_FALSE(FitsFullSpace({"many", test::kMlp20.widths, 1, 6}, 430, 2, forward));
}

}  // namespace
}  // namespace trails
