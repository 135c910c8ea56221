// The order in which a fair sample of a space is drawn.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "built_in_spaces.h"
#include "chi_square.h"
#include "core/filtering/filter.h"
#include "core/filtering/permutation.h"

namespace trails {
namespace {

using test::ChiSquare;
using test::kMlp20;
using test::kTabular;

const SearchSpace kDeep{"deep", kMlp20.widths, 1, 8};

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

}  // namespace
}  // namespace trails
