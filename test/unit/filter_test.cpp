// The filtering phase.
#include "core/filtering/filter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "built_in_spaces.h"
#include "chi_square.h"
#include "core/filtering/ranking.h"
#include "core/filtering/tfmem.h"
#include "core/filtering/weight_bank.h"
#include "trails/error.h"

namespace trails {
namespace {

using test::ChiSquare;
using test::kMlp20;
using test::kTabular;

const SearchSpace kDeep{"deep", kMlp20.widths, 1, 8};

// What an engine would score by; counts its calls, and can have opinions of its own.
double Definition(Tfmem tfmem, const InitialWeights &weights, std::int32_t /*bank*/) {
  switch (tfmem) {
    case Tfmem::kSynflow: return Synflow(weights);
    case Tfmem::kWeightNorm: return WeightNorm(weights);
    // Stands in for what needs rows: a number that differs from candidate to candidate.
    default: return std::fmod(1e4 * WeightNorm(weights), 10);
  }
}

HiddenWidths WidthsOf(const InitialWeights &weights) {
  return HiddenWidths(weights.dims.begin() + 1, weights.dims.end() - 1);
}

class FilterCandidatesTest : public testing::Test {
 protected:
  FilterCandidatesTest() {
    control_.start = Clock::now();
    control_.deadline = Clock::time_point::max();
    control_.progress = &progress_;
  }

  static FilterRequest Request(const SearchSpace &space, Tfmem tfmem) {
    FilterRequest request{.space = space};
    request.tfmem = tfmem;
    request.inputs = 100;
    request.outputs = 2;
    request.seed = 9;
    request.threads = 2;
    return request;
  }

  FilteredCandidates Filter(const FilterRequest &request,
                            const CandidateScorer &scorer = Definition,
                            Clock::time_point until = Clock::time_point::max()) {
    return FilterCandidates(request, {}, scorer, until, control_);
  }

  SpaceScores Bank(const FilterRequest &request, std::int32_t bank) {
    return ScoreFullSpace(request.space, {request.tfmem}, {}, request.inputs, request.outputs,
                          request.seed, bank, 1, Clock::time_point::max(), control_);
  }

  Progress progress_;
  RunControl control_;
};

std::vector<std::int64_t> Sorted(std::vector<std::int64_t> indices) {
  std::sort(indices.begin(), indices.end());
  return indices;
}

std::vector<std::int64_t> IndicesOf(const SearchSpace &space,
                                    const std::vector<HiddenWidths> &candidates) {
  std::vector<std::int64_t> indices;
  for (const HiddenWidths &widths : candidates) indices.push_back(IndexOf(space, widths));
  return indices;
}

TEST_F(FilterCandidatesTest, RanksTheWholeSpaceBestFirst) {
  const auto filtered = Filter(Request(kTabular, Tfmem::kParams));
  EXPECT_TRUE(filtered.whole);
  ASSERT_EQ(std::ssize(filtered.order), SpaceSize(kTabular));
  std::set<std::int64_t> seen;
  for (std::size_t i = 0; i < filtered.order.size(); ++i) {
    const HiddenWidths widths = CandidateAt(kTabular, filtered.order[i]);
    ASSERT_EQ(filtered.scores[i], static_cast<double>(CountParameters(widths, 100, 2)));
    ASSERT_TRUE(i == 0 || filtered.scores[i] <= filtered.scores[i - 1]);
    seen.insert(filtered.order[i]);
  }
  EXPECT_EQ(std::ssize(seen), SpaceSize(kTabular));
  EXPECT_EQ(progress_.candidates_scored, SpaceSize(kTabular));
  EXPECT_EQ(filtered.first_bank.of(Tfmem::kParams).size(), filtered.order.size());
}

TEST_F(FilterCandidatesTest, LeavesToACardWhatItHasKernelsFor) {
  FilterRequest request = Request(kTabular, Tfmem::kSynflow);
  request.parts = {Tfmem::kWeightNorm, Tfmem::kParams};
  request.banks = 2;
  const auto expected = Filter(request);
  std::vector<std::pair<Tfmem, std::int32_t>> asked;
  request.on_card = [&](const std::vector<Tfmem> &tfmems, std::int32_t bank,
                        Clock::time_point until, const RunControl &control) {
    for (const Tfmem tfmem : tfmems) asked.emplace_back(tfmem, bank);
    return ScoreFullSpace(request.space, tfmems, {}, request.inputs, request.outputs, request.seed,
                          bank, 1, until, control);
  };
  const auto filtered = Filter(request);
  EXPECT_EQ(filtered.order, expected.order);
  EXPECT_EQ(filtered.parts, expected.parts);
  const std::vector<std::pair<Tfmem, std::int32_t>> wanted = {
      {Tfmem::kSynflow, 0}, {Tfmem::kSynflow, 1}, {Tfmem::kWeightNorm, 0}, {Tfmem::kWeightNorm, 1}};
  EXPECT_EQ(asked, wanted);
  asked.clear();
  request.tfmem = Tfmem::kParams;
  request.parts = {};
  Filter(request);
  EXPECT_TRUE(asked.empty());
}

TEST_F(FilterCandidatesTest, AveragesTheRanksOfTheBanks) {
  FilterRequest request = Request(kTabular, Tfmem::kSynflow);
  request.banks = 3;
  const auto filtered = Filter(request);
  std::vector<std::vector<double>> scores, ranks;
  for (std::int32_t bank = 0; bank < 3; ++bank) {
    scores.push_back(Bank(request, bank).of(Tfmem::kSynflow));
    ranks.push_back(Ranks(scores.back(), /*higher_is_better=*/true));
  }
  EXPECT_NE(scores[0], scores[1]);
  EXPECT_EQ(filtered.first_bank.of(Tfmem::kSynflow), scores[0]);
  double before = 0;
  for (std::size_t i = 0; i < filtered.order.size(); ++i) {
    const auto c = static_cast<std::size_t>(filtered.order[i]);
    const double rank = (ranks[0][c] + ranks[1][c] + ranks[2][c]) / 3;
    ASSERT_GE(rank, before);
    ASSERT_DOUBLE_EQ(filtered.scores[i], (scores[0][c] + scores[1][c] + scores[2][c]) / 3);
    before = rank;
  }
  request.banks = 1;
  EXPECT_NE(Filter(request).order, filtered.order);
}

TEST_F(FilterCandidatesTest, PartsAreScoredBesidesAndChangeNoOrder) {
  FilterRequest request = Request(kTabular, Tfmem::kSynflow);
  request.banks = 2;
  const auto alone = Filter(request);
  request.parts = {Tfmem::kParams, Tfmem::kWeightNorm, Tfmem::kSynflow};
  const auto together = Filter(request);
  EXPECT_EQ(together.order, alone.order);
  EXPECT_EQ(together.scores, alone.scores);
  ASSERT_EQ(together.parts.size(), 3u);
  EXPECT_EQ(together.parts[2], alone.scores);
  const double first =
      static_cast<double>(CountParameters(CandidateAt(kTabular, together.order[0]), 100, 2));
  EXPECT_EQ(together.parts[0][0], first);
  request.tfmem = Tfmem::kWeightNorm;
  request.parts = {};
  const auto weight_norm = Filter(request);
  for (std::size_t i = 0; i < 100; ++i) {
    const auto at = std::find(together.order.begin(), together.order.end(), weight_norm.order[i]);
    EXPECT_EQ(together.parts[1][static_cast<std::size_t>(at - together.order.begin())],
              weight_norm.scores[i]);
  }
}

TEST_F(FilterCandidatesTest, KeepsTheFairDrawWhereFewerAreWanted) {
  FilterRequest request = Request(kTabular, Tfmem::kParams);
  request.n = 300;
  const auto filtered = Filter(request);
  EXPECT_TRUE(filtered.whole);
  EXPECT_EQ(Sorted(filtered.order),
            Sorted(IndicesOf(kTabular, SampleCandidates(kTabular, 300, request.seed))));
  EXPECT_TRUE(std::is_sorted(filtered.scores.rbegin(), filtered.scores.rend()));
  request.n = SpaceSize(kTabular) + 5;
  EXPECT_EQ(std::ssize(Filter(request).order), SpaceSize(kTabular));
}

TEST_F(FilterCandidatesTest, ScoresVeryFewOneByOneWithTheSlicesOfTheBanks) {
  FilterRequest request = Request(kMlp20, Tfmem::kSynflow);
  request.banks = 2;
  request.n = 20;
  std::atomic<int> calls{0};
  const auto filtered =
      Filter(request, [&](Tfmem tfmem, const InitialWeights &weights, std::int32_t bank) {
        ++calls;
        return Definition(tfmem, weights, bank);
      });
  EXPECT_FALSE(filtered.whole);
  EXPECT_TRUE(filtered.first_bank.tfmems.empty());
  EXPECT_EQ(calls, 40);
  EXPECT_EQ(Sorted(filtered.order),
            Sorted(IndicesOf(kMlp20, SampleCandidates(kMlp20, 20, request.seed))));
  const SpaceScores first = Bank(request, 0);
  const SpaceScores second = Bank(request, 1);
  for (std::size_t i = 0; i < 20; ++i) {
    const auto c = static_cast<std::size_t>(filtered.order[i]);
    const double mean = 0.5 * (first.of(Tfmem::kSynflow)[c] + second.of(Tfmem::kSynflow)[c]);
    EXPECT_NEAR(filtered.scores[i], mean, 1e-7 * mean);  // slices are rounded to float
  }
}

TEST_F(FilterCandidatesTest, RandomIsARandomOrder) {
  // The place of one candidate over seeds is uniform. 11 degrees of freedom, p = 0.001: 31.3.
  const SearchSpace space{"small", {16, 32, 64}, 1, 2};
  FilterRequest request = Request(space, Tfmem::kRandom);
  std::map<std::int64_t, double> places;
  for (request.seed = 0; request.seed < 1'200; ++request.seed) {
    const auto order = Filter(request).order;
    ASSERT_EQ(order.size(), 12u);
    ++places[std::find(order.begin(), order.end(), 0) - order.begin()];
  }
  EXPECT_LT(ChiSquare(places, 12, 1'200), 31.3);
}

TEST_F(FilterCandidatesTest, TiesAreBrokenBySeedAndNotByWidth) {
  // One input and one output: 2-3 and 3-2 have the same number of parameters.
  const SearchSpace space{"ties", {2, 3, 4, 5, 6, 7}, 2, 2};
  FilterRequest request = Request(space, Tfmem::kParams);
  request.inputs = request.outputs = 1;
  double narrow_first = 0;
  for (request.seed = 0; request.seed < 400; ++request.seed) {
    const auto order = Filter(request).order;
    const auto place = [&](const HiddenWidths &widths) {
      return std::find(order.begin(), order.end(), IndexOf(space, widths));
    };
    narrow_first += place({2, 3}) < place({3, 2}) ? 1 : 0;
  }
  EXPECT_NEAR(narrow_first, 200, 33);  // deviation 10, p = 0.001
}

TEST_F(FilterCandidatesTest, ASpaceTooLargeIsSampledFairly) {
  FilterRequest request = Request(kDeep, Tfmem::kParams);
  EXPECT_EQ(std::ssize(Filter(request).order), kSampledCandidates);
  request.n = 200;
  const auto filtered = Filter(request);
  EXPECT_FALSE(filtered.whole);
  EXPECT_EQ(Sorted(filtered.order),
            Sorted(IndicesOf(kDeep, SampleCandidates(kDeep, 200, request.seed))));
  EXPECT_EQ(progress_.candidates_scored, kSampledCandidates + 200);
}

TEST_F(FilterCandidatesTest, EverySamplerScoresEachCandidateByItsSliceOfTheBank) {
  for (const SamplerKind sampler :
       {SamplerKind::kSequential, SamplerKind::kRandom, SamplerKind::kEvolution,
        SamplerKind::kAsyncEvolution, SamplerKind::kWarmUpEvolution, SamplerKind::kMoveEvolution,
        SamplerKind::kReinforce}) {
    FilterRequest request = Request(kTabular, Tfmem::kSynflow);
    request.sampler = sampler;
    request.n = 150;
    request.threads = 3;
    std::mutex mutex;
    std::map<HiddenWidths, double> scored;
    const WeightBank first_bank(kTabular, request.inputs, request.outputs, request.seed, 0, false);
    const auto filtered =
        Filter(request, [&](Tfmem tfmem, const InitialWeights &weights, std::int32_t bank) {
          const std::lock_guard lock(mutex);
          EXPECT_EQ(tfmem, Tfmem::kSynflow);
          EXPECT_EQ(bank, 0);
          EXPECT_EQ(weights.weight, first_bank.Slice(WidthsOf(weights)).weight);
          return scored[WidthsOf(weights)] = Synflow(weights);
        });
    EXPECT_FALSE(filtered.whole);
    ASSERT_EQ(filtered.order.size(), 150u) << Name(sampler);
    EXPECT_EQ(scored.size(), 150u);
    EXPECT_TRUE(std::is_sorted(filtered.scores.rbegin(), filtered.scores.rend()));
    for (std::size_t i = 0; i < filtered.order.size(); ++i) {
      EXPECT_EQ(filtered.scores[i], scored.at(CandidateAt(kTabular, filtered.order[i])));
    }
    request.n = 10 * SpaceSize(kTabular);
    request.tfmem = Tfmem::kParams;
    EXPECT_EQ(std::ssize(Filter(request).order), SpaceSize(kTabular));
  }
}

TEST_F(FilterCandidatesTest, WithoutABankEachCandidateHasWeightsOfItsOwn) {
  FilterRequest request = Request(kDeep, Tfmem::kSynflow);
  request.n = 40;
  request.banks = 2;
  std::mutex mutex;
  std::set<double> first_weights;
  Filter(request, [&](Tfmem, const InitialWeights &weights, std::int32_t bank) {
    const std::lock_guard lock(mutex);
    const auto own =
        OwnWeights(WidthsOf(weights), request.inputs, request.outputs, request.seed, bank);
    EXPECT_EQ(weights.weight, own.weight);
    EXPECT_EQ(weights.bias, own.bias);
    first_weights.insert(weights.weight[0][0]);
    return Synflow(weights);
  });
  EXPECT_EQ(first_weights.size(), 80u);
}

TEST_F(FilterCandidatesTest, PartsAreOfTheBestThatAreKept) {
  FilterRequest request = Request(kTabular, Tfmem::kSynflow);
  request.banks = 2;
  request.parts = {Tfmem::kKnas, Tfmem::kWeightNorm, Tfmem::kParams, Tfmem::kWeightNorm};
  request.keep = 30;
  std::mutex mutex;
  std::map<HiddenWidths, int> scored;
  const auto filtered =
      Filter(request, [&](Tfmem tfmem, const InitialWeights &weights, std::int32_t) {
        const std::lock_guard lock(mutex);
        EXPECT_EQ(tfmem, Tfmem::kKnas);
        ++scored[WidthsOf(weights)];
        return Synflow(weights);
      });
  EXPECT_TRUE(filtered.whole);
  EXPECT_EQ(filtered.banks, 2);
  ASSERT_EQ(std::ssize(filtered.order), SpaceSize(kTabular));
  EXPECT_EQ(progress_.candidates_scored, SpaceSize(kTabular));
  // 30 of 4,680 are not few for a TFMEM that looks forward: the whole space has it.
  EXPECT_EQ(filtered.first_bank.of(Tfmem::kWeightNorm).size(), filtered.order.size());
  ASSERT_EQ(filtered.parts.size(), 4u);
  EXPECT_EQ(filtered.part_banks, (std::vector<std::int32_t>{2, 2, 2, 2}));
  for (const auto &part : filtered.parts) EXPECT_EQ(part.size(), 30u);
  EXPECT_EQ(filtered.parts[1], filtered.parts[3]);
  ASSERT_EQ(scored.size(), 30u);
  for (std::size_t i = 0; i < 30; ++i) {
    const HiddenWidths widths = CandidateAt(kTabular, filtered.order[i]);
    EXPECT_EQ(scored[widths], 2);
    EXPECT_NEAR(filtered.parts[0][i], filtered.scores[i], 1e-9 * filtered.scores[i]);
    EXPECT_EQ(filtered.parts[2][i], static_cast<double>(CountParameters(widths, 100, 2)));
  }
  request.keep = 0;
  EXPECT_EQ(Filter(request).parts, std::vector<std::vector<double>>(4));
}

TEST_F(FilterCandidatesTest, AFewPartsOfAWholeSpaceAreScoredOneByOne) {
  FilterRequest request = Request(kMlp20, Tfmem::kSynflow);
  request.parts = {Tfmem::kWeightNorm};
  request.keep = 20;
  std::atomic<int> calls{0};
  const auto few =
      Filter(request, [&](Tfmem tfmem, const InitialWeights &weights, std::int32_t bank) {
        ++calls;
        return Definition(tfmem, weights, bank);
      });
  EXPECT_EQ(calls, 20);
  EXPECT_EQ(few.first_bank.tfmems, std::vector{Tfmem::kSynflow});
  request.keep = {};
  const auto all = Filter(request);
  EXPECT_EQ(all.order, few.order);
  for (std::size_t i = 0; i < 20; ++i) {
    EXPECT_NEAR(few.parts[0][i], all.parts[0][i], 1e-6 * all.parts[0][i]);
  }
}

TEST_F(FilterCandidatesTest, ASlowPartThatTimeEndsLeavesTheRankingAlone) {
  FilterRequest request = Request(kTabular, Tfmem::kParams);
  request.parts = {Tfmem::kKnas, Tfmem::kSynflow, Tfmem::kFlops};
  request.banks = 2;
  std::atomic<bool> finish{false};
  control_.finish = &finish;
  std::atomic<int> calls{0};
  request.threads = 1;
  const auto filtered = Filter(request, [&](Tfmem, const InitialWeights &, std::int32_t) {
    if (++calls == 10) finish = true;
    return calls * 1.0;
  });
  ASSERT_EQ(std::ssize(filtered.order), SpaceSize(kTabular));
  EXPECT_TRUE(std::is_sorted(filtered.scores.rbegin(), filtered.scores.rend()));
  // Five candidates by two banks each, the best ranked; what was not scored is told from what is
  // not valid.
  for (std::size_t i = 0; i < filtered.order.size(); ++i) {
    ASSERT_EQ(std::isnan(filtered.parts[0][i]), i >= 5);
    ASSERT_TRUE(std::isfinite(filtered.parts[1][i]) && std::isfinite(filtered.parts[2][i]));
  }
  // Nothing is begun once the time is up, but closed forms.
  const auto late = Filter(request);
  EXPECT_EQ(late.part_banks, (std::vector<std::int32_t>{0, 0, late.banks}));
  EXPECT_TRUE(std::isnan(late.parts[1][0]));
  EXPECT_TRUE(std::isfinite(late.parts[2][0]));
}

TEST_F(FilterCandidatesTest, JacflowAsAPartIsTheRankSumOverAllThatWereScored) {
  FilterRequest request = Request(kTabular, Tfmem::kKnas);
  request.n = 80;
  request.parts = {Tfmem::kNasWot, Tfmem::kJacflow, Tfmem::kSynflow};
  const auto all = Filter(request);
  EXPECT_FALSE(all.whole);
  EXPECT_EQ(all.parts[1], Jacflow(all.parts[0], all.parts[2]));
  request.keep = 7;
  const auto kept = Filter(request);
  EXPECT_EQ(kept.order, all.order);
  EXPECT_EQ(kept.parts[1], std::vector(all.parts[1].begin(), all.parts[1].begin() + 7));
}

TEST_F(FilterCandidatesTest, SamplersSeekWhatTheTfmemCallsBetter) {
  // The score is the first width; a lower condition number is better, a higher synflow.
  const auto first_width = [](Tfmem, const InitialWeights &weights, std::int32_t) {
    return static_cast<double>(weights.dims[1]);
  };
  for (const Tfmem tfmem : {Tfmem::kNtkCondNum, Tfmem::kSynflow}) {
    FilterRequest request = Request(kMlp20, tfmem);
    request.sampler = SamplerKind::kEvolution;
    request.n = 400;
    request.threads = 1;
    const auto filtered = Filter(request, first_width);
    double sum = 0;
    for (const double score : filtered.scores) sum += score;
    if (tfmem == Tfmem::kSynflow) {
      EXPECT_GT(sum / 400, 300);
      EXPECT_EQ(filtered.scores.front(), 512);
    } else {
      EXPECT_LT(sum / 400, 60);
      EXPECT_EQ(filtered.scores.front(), 8);
    }
  }
}

TEST_F(FilterCandidatesTest, ThreadsDoNotChangeTheAnswerUnlessTheSamplerLearns) {
  for (const SamplerKind sampler :
       {SamplerKind::kWhole, SamplerKind::kSequential, SamplerKind::kRandom}) {
    for (const SearchSpace &space : {kTabular, kDeep}) {
      FilterRequest request = Request(space, Tfmem::kSynflow);
      request.sampler = sampler;
      request.n = 40;
      request.banks = 2;
      request.threads = 1;
      const auto alone = Filter(request);
      for (const std::int32_t threads : {2, 3, 8}) {
        request.threads = threads;
        const auto together = Filter(request);
        EXPECT_EQ(together.order, alone.order) << Name(sampler) << ", " << threads;
        EXPECT_EQ(together.scores, alone.scores);
      }
    }
  }
  FilterRequest request = Request(kDeep, Tfmem::kSynflow);
  request.threads = 1;
  request.n = 60;
  request.sampler = SamplerKind::kEvolution;
  EXPECT_EQ(Filter(request).order, Filter(request).order);
}

TEST_F(FilterCandidatesTest, JacflowIsTheRankSumOverWhatWasScored) {
  FilterRequest request = Request(kTabular, Tfmem::kJacflow);
  request.sampler = SamplerKind::kSequential;
  request.n = 80;
  request.parts = {Tfmem::kNasWot, Tfmem::kSynflow};
  const auto filtered = Filter(request);
  ASSERT_EQ(filtered.order.size(), 80u);
  EXPECT_EQ(filtered.scores, Jacflow(filtered.parts[0], filtered.parts[1]));
  EXPECT_TRUE(std::is_sorted(filtered.scores.rbegin(), filtered.scores.rend()));
}

TEST_F(FilterCandidatesTest, InvalidScoresComeLastAndAreLeftOutOfTheMeans) {
  // Networks whose first layer is narrow fail in the first bank, the narrowest in both.
  FilterRequest request = Request(kTabular, Tfmem::kNasWot);
  request.sampler = SamplerKind::kSequential;
  request.banks = 2;
  request.n = 1'000;
  const auto filtered =
      Filter(request, [](Tfmem, const InitialWeights &weights, std::int32_t bank) {
        const std::int32_t first = weights.dims[1];
        return first == 16 || (first == 32 && bank == 0) ? kInvalidScore : 1.0 * first + bank;
      });
  ASSERT_EQ(filtered.order.size(), 1'000u);
  bool seen_invalid = false;
  for (std::size_t i = 0; i < filtered.order.size(); ++i) {
    const std::int32_t first = CandidateAt(kTabular, filtered.order[i]).front();
    EXPECT_EQ(filtered.scores[i], first == 16 ? kInvalidScore : first == 32 ? 33 : first + 0.5);
    seen_invalid = seen_invalid || first == 16;
    ASSERT_EQ(seen_invalid, first == 16);
  }
  EXPECT_TRUE(seen_invalid);
}

TEST_F(FilterCandidatesTest, RanksWhatIsScoredWhenTimeIsUp) {
  FilterRequest request = Request(kDeep, Tfmem::kSynflow);
  request.n = 4'000;
  request.threads = 1;
  const auto one = Filter(request, Definition, Clock::now());
  EXPECT_EQ(one.order, IndicesOf(kDeep, SampleCandidates(kDeep, 1, request.seed)));
  request.threads = 3;
  const auto some = Filter(request, Definition, Clock::now());
  EXPECT_GE(some.order.size(), 1u);
  EXPECT_LE(some.order.size(), 3u);

  // A whole space: what the first prefix gave, and no second bank.
  FilterRequest whole = Request(kMlp20, Tfmem::kSynflow);
  whole.banks = 2;
  const auto prefix = Filter(whole, Definition, Clock::now());
  EXPECT_TRUE(prefix.whole);
  EXPECT_GE(prefix.order.size(), 400u);
  EXPECT_LT(std::ssize(prefix.order), SpaceSize(kMlp20));
  for (std::size_t i = 0; i < prefix.order.size(); ++i) {
    EXPECT_EQ(prefix.scores[i],
              prefix.first_bank.of(Tfmem::kSynflow)[static_cast<std::size_t>(prefix.order[i])]);
  }
  // Of those, some were wanted: never nothing at all.
  whole.n = 200;
  const auto few = Filter(whole, Definition, Clock::now());
  EXPECT_GE(few.order.size(), 1u);
  EXPECT_LE(few.order.size(), 200u);
}

TEST_F(FilterCandidatesTest, ALaterBankThatTheDeadlineCutsOffIsDropped) {
  FilterRequest request = Request(kMlp20, Tfmem::kSynflow);
  const auto one_bank = Filter(request);
  request.banks = 16;
  const Clock::time_point start = Clock::now();
  Bank(request, 0);
  // Time for a few of the sixteen.
  const auto cut_off = Filter(request, Definition, Clock::now() + 3 * (Clock::now() - start));
  ASSERT_EQ(std::ssize(cut_off.order), SpaceSize(kMlp20));
  EXPECT_GE(cut_off.banks, 1);
  EXPECT_LT(cut_off.banks, 16);
  EXPECT_EQ(cut_off.first_bank.of(Tfmem::kSynflow), one_bank.first_bank.of(Tfmem::kSynflow));
}

TEST_F(FilterCandidatesTest, FinishEndsItInGoodOrder) {
  const std::atomic<bool> finish{true};
  control_.finish = &finish;
  FilterRequest request = Request(kDeep, Tfmem::kSynflow);
  request.threads = 1;
  EXPECT_EQ(Filter(request).order.size(), 1u);
}

TEST_F(FilterCandidatesTest, TimeEndsADrawThatNoMemoryCouldHold) {
  FilterRequest request = Request(kDeep, Tfmem::kParams);
  request.n = SpaceSize(kDeep);
  const auto filtered = Filter(request, Definition, Clock::now() + std::chrono::milliseconds(50));
  EXPECT_GE(filtered.order.size(), 1u);
  EXPECT_LT(std::ssize(filtered.order), SpaceSize(kDeep) / 100);
}

TEST_F(FilterCandidatesTest, AStopBeforeItBeginsIsCancelled) {
  std::stop_source source;
  source.request_stop();
  control_.stop = source.get_token();
  for (const SearchSpace &space : {kTabular, kDeep}) {
    for (const Tfmem tfmem : {Tfmem::kSynflow, Tfmem::kParams}) {
      try {
        Filter(Request(space, tfmem));
        FAIL();
      } catch (const Error &error) {
        EXPECT_EQ(error.kind(), ErrorKind::kCancelled);
      }
    }
  }
}

TEST_F(FilterCandidatesTest, AStopInTheMiddleEndsItSoon) {
  std::stop_source source;
  control_.stop = source.get_token();
  FilterRequest request = Request(kDeep, Tfmem::kSynflow);
  request.n = 1'000'000;
  Clock::time_point stopped;
  const std::jthread canceller([&](const std::stop_token &test_ends) {
    while (progress_.candidates_scored == 0 && !test_ends.stop_requested()) {
      std::this_thread::yield();
    }
    stopped = Clock::now();
    source.request_stop();
  });
  EXPECT_THROW(Filter(request), Error);
  EXPECT_LT(Clock::now() - stopped, std::chrono::milliseconds(500));
  EXPECT_LT(progress_.candidates_scored, 500'000);
}

TEST_F(FilterCandidatesTest, WhatTheScorerThrowsEndsAllThreads) {
  FilterRequest request = Request(kDeep, Tfmem::kSynflow);
  request.n = 1'000'000;
  std::atomic<int> calls{0};
  try {
    Filter(request, [&](Tfmem, const InitialWeights &, std::int32_t) -> double {
      if (++calls == 5) throw Error(ErrorKind::kInternal, "the fifth");
      return calls;
    });
    FAIL();
  } catch (const Error &error) {
    EXPECT_STREQ(error.what(), "the fifth");
  }
  EXPECT_LT(calls, 100);
}

}  // namespace
}  // namespace trails
