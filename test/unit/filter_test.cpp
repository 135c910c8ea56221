// The draw of candidates and the filtering phase over it.
#include "core/filtering/filter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <thread>

#include "built_in_spaces.h"
#include "core/filtering/permutation.h"
#include "core/filtering/tfmem.h"
#include "trails/error.h"

namespace trails {
namespace {

using test::kMlp20;
using test::kTabular;

const SearchSpace kDeep{"deep", kMlp20.widths, 1, 8};

double ChiSquare(const std::map<std::int64_t, double> &seen, std::int64_t cells, double draws) {
  const double expected = draws / static_cast<double>(cells);
  double sum = static_cast<double>(cells - static_cast<std::int64_t>(seen.size())) * expected;
  for (const auto &[cell, count] : seen) sum += (count - expected) * (count - expected) / expected;
  return sum;
}

TEST(RandomPermutation, HitsEveryValueOnce) {
  for (const std::int64_t size : {1, 2, 3, 4, 5, 8, 15, 16, 17, 63, 64, 65, 1000, 4096, 160'000}) {
    const RandomPermutation order(size, RandomStream(static_cast<std::uint64_t>(size)));
    std::vector<char> seen(static_cast<std::size_t>(size));
    for (std::int64_t at = 0; at < size; ++at) {
      const std::int64_t value = order(at);
      ASSERT_GE(value, 0);
      ASSERT_LT(value, size);
      ASSERT_FALSE(seen[static_cast<std::size_t>(value)]) << size;
      seen[static_cast<std::size_t>(value)] = 1;
    }
  }
}

TEST(RandomPermutation, WorksUpToTheLargestSize) {
  constexpr std::int64_t kLargest = std::numeric_limits<std::int64_t>::max();
  const RandomPermutation order(kLargest, RandomStream(1));
  std::set<std::int64_t> seen;
  for (std::int64_t at = 0; at < 1000; ++at) seen.insert(order(at));
  EXPECT_EQ(seen.size(), 1000u);
  EXPECT_GE(*seen.begin(), 0);
  EXPECT_LT(*seen.begin(), kLargest / 100);
  EXPECT_GT(*seen.rbegin(), kLargest - kLargest / 100);
}

TEST(RandomPermutation, PairsOfPositionsAreUniformOverSeeds) {
  // Small sizes are where a Feistel network is weakest. 55 degrees of freedom, p = 0.001: 93.2.
  for (const auto &[first, second] : {std::pair{0, 1}, std::pair{2, 5}, std::pair{7, 0}}) {
    std::map<std::int64_t, double> seen;
    for (std::uint64_t seed = 0; seed < 56'000; ++seed) {
      const RandomPermutation order(8, RandomStream::ForPurpose(seed, 1));
      const std::int64_t a = order(first);
      const std::int64_t b = order(second);
      ++seen[a * 7 + (b > a ? b - 1 : b)];
    }
    EXPECT_LT(ChiSquare(seen, 56, 56'000), 93.2) << first << ", " << second;
  }
}

TEST(SampleCandidates, OfTheWholeSpaceIsEveryCandidateOnce) {
  for (const SearchSpace &space : {kTabular, kMlp20, SearchSpace{"one", {5}, 3, 3}}) {
    for (const std::int64_t beyond : {0, 1000}) {
      const auto sample = SampleCandidates(space, SpaceSize(space) + beyond, 11);
      std::set<std::int64_t> seen;
      for (const HiddenWidths &widths : sample) seen.insert(IndexOf(space, widths));
      EXPECT_EQ(static_cast<std::int64_t>(sample.size()), SpaceSize(space));
      EXPECT_EQ(static_cast<std::int64_t>(seen.size()), SpaceSize(space));
    }
  }
}

TEST(SampleCandidates, NeverRepeatsInASpaceTooLargeToList) {
  const auto sample = SampleCandidates(kDeep, 50'000, 5);
  std::set<HiddenWidths> seen(sample.begin(), sample.end());
  EXPECT_EQ(sample.size(), 50'000u);
  EXPECT_EQ(seen.size(), 50'000u);
  for (const HiddenWidths &widths : sample) ASSERT_GE(IndexOf(kDeep, widths), 0);
}

TEST(SampleCandidates, GivesEachDepthItsShareWhileItLasts) {
  const auto sample = SampleCandidates(kTabular, 8 * 4 + 56 * 3 + 100, 3);
  std::map<std::size_t, int> depths;
  for (std::size_t i = 0; i < sample.size(); ++i) {
    ++depths[sample[i].size()];
    if (i < 32 && i % 4 == 3) {
      for (std::size_t depth = 1; depth <= 4; ++depth) {
        EXPECT_EQ(depths[depth], static_cast<int>(i / 4 + 1));
      }
    }
  }
  EXPECT_EQ(depths[1], 8);
  EXPECT_EQ(depths[2], 64);
  EXPECT_EQ(depths[3], 64 + 50);
  EXPECT_EQ(depths[4], 64 + 50);
}

TEST(SampleCandidates, BeginsWithTheSmallerDraw) {
  const auto large = SampleCandidates(kTabular, 1000, 17);
  for (const std::int64_t n : {1, 2, 7, 33, 500}) {
    const auto small = SampleCandidates(kTabular, n, 17);
    ASSERT_EQ(static_cast<std::int64_t>(small.size()), n);
    EXPECT_TRUE(std::equal(small.begin(), small.end(), large.begin()));
  }
  EXPECT_EQ(SampleCandidates(kTabular, 1000, 17), large);
  EXPECT_NE(SampleCandidates(kTabular, 1000, 18), large);
}

TEST(SampleCandidates, IsUniformWithinADepth) {
  // One seed, many draws: every layer's width is uniform. 19 degrees of freedom, p = 0.001: 43.8.
  const auto sample = SampleCandidates(kMlp20, 20'000, 23);
  for (std::size_t layer = 0; layer < 4; ++layer) {
    std::map<std::int64_t, double> seen;
    for (const HiddenWidths &widths : sample) ++seen[widths[layer]];
    EXPECT_LT(ChiSquare(seen, 20, 20'000), 43.8) << layer;
  }
}

TEST(SampleCandidates, IsUniformOverSeeds) {
  // Many seeds, a draw of two: depths, and the widths of a one-layer candidate.
  // 3 degrees of freedom, p = 0.001: 16.3; 7: 24.3.
  std::map<std::int64_t, double> depths, widths;
  double one_layer = 0;
  for (std::uint64_t seed = 0; seed < 20'000; ++seed) {
    for (const HiddenWidths &candidate : SampleCandidates(kTabular, 2, seed)) {
      ++depths[static_cast<std::int64_t>(candidate.size())];
      if (candidate.size() != 1) continue;
      ++widths[candidate[0]];
      ++one_layer;
    }
  }
  EXPECT_LT(ChiSquare(depths, 4, 40'000), 16.3);
  EXPECT_LT(ChiSquare(widths, 8, one_layer), 24.3);
}

class FilterCandidatesTest : public testing::Test {
 protected:
  FilterCandidatesTest() {
    control_.start = Clock::now();
    control_.deadline = Clock::time_point::max();
    control_.progress = &progress_;
  }

  std::vector<ScoredCandidate> Filter(std::int64_t n, Tfmem tfmem, std::int32_t threads,
                                      Clock::time_point until = Clock::time_point::max()) {
    return FilterCandidates(kTabular, n, tfmem, 100, 2, 9, threads, until, control_);
  }

  Progress progress_;
  RunControl control_;
};

TEST_F(FilterCandidatesTest, RanksTheDrawBestFirst) {
  for (const Tfmem tfmem : {Tfmem::kSynflow, Tfmem::kWeightNorm, Tfmem::kParams}) {
    const auto ranked = Filter(300, tfmem, 2);
    const auto sample = SampleCandidates(kTabular, 300, 9);
    ASSERT_EQ(ranked.size(), 300u);
    std::set<HiddenWidths> drawn(sample.begin(), sample.end());
    for (std::size_t i = 0; i < ranked.size(); ++i) {
      EXPECT_EQ(drawn.erase(ranked[i].widths), 1u);
      EXPECT_EQ(ranked[i].score, ScoreCandidate(tfmem, ranked[i].widths, 100, 2, 9));
      EXPECT_EQ(ranked[i].params, CountParameters(ranked[i].widths, 100, 2));
      if (i > 0) {
        EXPECT_GE(ranked[i - 1].score, ranked[i].score);
      }
    }
  }
}

TEST_F(FilterCandidatesTest, ScoresTheWholeOfALargeSpace) {
  const auto ranked = FilterCandidates(kMlp20, SpaceSize(kMlp20) + 1, Tfmem::kParams, 100, 2, 9, 3,
                                       Clock::time_point::max(), control_);
  std::set<std::int64_t> seen;
  for (std::size_t i = 0; i < ranked.size(); ++i) {
    seen.insert(IndexOf(kMlp20, ranked[i].widths));
    ASSERT_EQ(ranked[i].score, static_cast<double>(CountParameters(ranked[i].widths, 100, 2)));
    if (i > 0) {
      ASSERT_GE(ranked[i - 1].score, ranked[i].score);
    }
  }
  EXPECT_EQ(ranked.size(), 160'000u);
  EXPECT_EQ(seen.size(), 160'000u);
  EXPECT_EQ(progress_.candidates_scored, 160'000);
}

TEST_F(FilterCandidatesTest, TimeEndsADrawThatNoMemoryCouldHold) {
  const auto ranked = FilterCandidates(kDeep, SpaceSize(kDeep), Tfmem::kParams, 100, 2, 9, 2,
                                       Clock::now() + std::chrono::milliseconds(50), control_);
  EXPECT_GE(ranked.size(), 1u);
  EXPECT_LT(static_cast<std::int64_t>(ranked.size()), SpaceSize(kDeep) / 100);
}

TEST_F(FilterCandidatesTest, TiesKeepTheEarlierDraw) {
  // One input and one output: 2-3 and 3-2 have the same number of parameters.
  const SearchSpace space{"ties", {2, 3, 4, 5, 6, 7}, 2, 2};
  ASSERT_EQ(CountParameters({2, 3}, 1, 1), CountParameters({3, 2}, 1, 1));
  const auto sample = SampleCandidates(space, 36, 4);
  const auto place = [&](const HiddenWidths &widths) {
    return std::find(sample.begin(), sample.end(), widths) - sample.begin();
  };
  const auto ranked =
      FilterCandidates(space, 36, Tfmem::kParams, 1, 1, 4, 3, Clock::time_point::max(), control_);
  int ties = 0;
  for (std::size_t i = 1; i < ranked.size(); ++i) {
    if (ranked[i - 1].score != ranked[i].score) continue;
    ++ties;
    EXPECT_LT(place(ranked[i - 1].widths), place(ranked[i].widths));
  }
  EXPECT_GE(ties, 15);
}

TEST_F(FilterCandidatesTest, ThreadsDoNotChangeTheAnswer) {
  const auto alone = Filter(200, Tfmem::kSynflow, 1);
  for (const std::int32_t threads : {2, 3, 8, 500}) {
    const auto together = Filter(200, Tfmem::kSynflow, threads);
    ASSERT_EQ(together.size(), alone.size());
    for (std::size_t i = 0; i < alone.size(); ++i) {
      EXPECT_EQ(together[i].widths, alone[i].widths);
      EXPECT_EQ(together[i].score, alone[i].score);
    }
  }
}

TEST_F(FilterCandidatesTest, RandomKeepsTheOrderOfTheDraw) {
  const auto ranked = Filter(100, Tfmem::kRandom, 2);
  const auto sample = SampleCandidates(kTabular, 100, 9);
  ASSERT_EQ(ranked.size(), sample.size());
  for (std::size_t i = 0; i < ranked.size(); ++i) EXPECT_EQ(ranked[i].widths, sample[i]);
}

TEST_F(FilterCandidatesTest, CountsItsProgress) {
  Filter(123, Tfmem::kParams, 2);
  EXPECT_EQ(progress_.candidates_scored, 123);
}

TEST_F(FilterCandidatesTest, RanksWhatIsScoredWhenTimeIsUp) {
  const auto one = Filter(4680, Tfmem::kSynflow, 1, Clock::now());
  ASSERT_EQ(one.size(), 1u);
  EXPECT_EQ(one[0].widths, SampleCandidates(kTabular, 1, 9)[0]);
  const auto some = Filter(4680, Tfmem::kSynflow, 3, Clock::now());
  EXPECT_GE(some.size(), 1u);
  EXPECT_LE(some.size(), 3u);
  EXPECT_EQ(progress_.candidates_scored, static_cast<std::int64_t>(1 + some.size()));
}

TEST_F(FilterCandidatesTest, FinishEndsItInGoodOrder) {
  const std::atomic<bool> finish{true};
  control_.finish = &finish;
  EXPECT_EQ(Filter(4680, Tfmem::kSynflow, 1).size(), 1u);
}

TEST_F(FilterCandidatesTest, AStopBeforeItBeginsIsCancelled) {
  std::stop_source source;
  source.request_stop();
  control_.stop = source.get_token();
  for (const Tfmem tfmem : {Tfmem::kSynflow, Tfmem::kParams}) {
    try {
      Filter(4680, tfmem, 2);
      FAIL();
    } catch (const Error &error) {
      EXPECT_EQ(error.kind(), ErrorKind::kCancelled);
    }
  }
  EXPECT_EQ(progress_.candidates_scored, 0);
}

TEST_F(FilterCandidatesTest, AStopInTheMiddleEndsItSoon) {
  std::stop_source source;
  control_.stop = source.get_token();
  // Some 15 seconds of work, 5 ms a candidate: it must be the stop that ends it.
  const SearchSpace wide{"wide", {512, 640, 768, 896, 1024}, 5, 5};
  Clock::time_point stopped;
  const std::jthread canceller([&](const std::stop_token &test_ends) {
    while (progress_.candidates_scored == 0 && !test_ends.stop_requested()) {
      std::this_thread::yield();
    }
    stopped = Clock::now();
    source.request_stop();
  });
  EXPECT_THROW(FilterCandidates(wide, SpaceSize(wide), Tfmem::kSynflow, 100, 2, 1, 2,
                                Clock::time_point::max(), control_),
               Error);
  EXPECT_LT(Clock::now() - stopped, std::chrono::milliseconds(500));
  EXPECT_LT(progress_.candidates_scored, SpaceSize(wide) / 2);
}

}  // namespace
}  // namespace trails
