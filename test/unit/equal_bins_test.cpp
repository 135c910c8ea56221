// Bins of equal counts: by hand, and what must hold of any.
#include "core/intermediates/equal_bins.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <vector>

#include "core/random.h"

namespace trails {
namespace {

TEST(EqualBins, ByHand) {
  EXPECT_TRUE(EqualBins({}, 4).empty());
  EXPECT_EQ(EqualBins(std::vector<float>{1, 2, 3, 4}, 2), (std::vector<Bin>{{0, 2}, {2, 4}}));
  EXPECT_EQ(EqualBins(std::vector<float>{1, 2, 3, 4}, 1), (std::vector<Bin>{{0, 4}}));
  EXPECT_EQ(EqualBins(std::vector<float>{1, 2, 2, 2, 2, 2, 3}, 3),
            (std::vector<Bin>{{0, 1}, {1, 6}, {6, 7}}));
  // The fives fill a bin, and the four others share two.
  EXPECT_EQ(EqualBins(std::vector<float>{1, 2, 3, 4, 5, 5, 5, 5, 5, 5}, 3),
            (std::vector<Bin>{{0, 2}, {2, 4}, {4, 10}}));
  // Only without the fours are the threes too frequent for what is left.
  std::vector<float> rounds = {1, 2, 3, 3, 3, 3};
  rounds.resize(26, 4.0f);
  EXPECT_EQ(EqualBins(rounds, 4), (std::vector<Bin>{{0, 1}, {1, 2}, {2, 6}, {6, 26}}));
  // More frequent numbers than bins.
  EXPECT_EQ(EqualBins(std::vector<float>{1, 1, 1, 2, 2, 2, 3, 3, 3}, 2),
            (std::vector<Bin>{{0, 6}, {6, 9}}));
}

TEST(EqualBins, DistinctNumbersAreSharedEvenly) {
  for (const std::size_t count : {1U, 7U, 252U, 253U, 1000U, 8192U}) {
    std::vector<float> sorted(count);
    for (std::size_t i = 0; i < count; ++i) sorted[i] = static_cast<float>(i);
    for (const std::size_t most : {1U, 2U, 3U, 15U, 252U, 256U}) {
      const std::vector<Bin> bins = EqualBins(sorted, most);
      ASSERT_EQ(bins.size(), std::min(count, most));
      for (const Bin &bin : bins) {
        const std::size_t share = count / bins.size();
        EXPECT_TRUE(bin.end - bin.first == share || bin.end - bin.first == share + 1)
            << count << ' ' << most << ' ' << bin.end - bin.first;
      }
    }
  }
}

TEST(EqualBins, OfAnyNumbers) {
  RandomStream random(5);
  for (int round = 0; round < 2000; ++round) {
    const std::int64_t distinct = 1 + random.Below(60);
    std::vector<float> sorted;
    for (std::int64_t i = random.Below(300); i >= 0; --i) {
      // Low numbers are the frequent ones.
      const double at = random.Uniform() * random.Uniform() * random.Uniform();
      sorted.push_back(static_cast<float>(static_cast<std::int64_t>(at * distinct)));
    }
    std::sort(sorted.begin(), sorted.end());
    const auto most = static_cast<std::size_t>(1 + random.Below(40));
    const std::vector<Bin> bins = EqualBins(sorted, most);
    ASSERT_LE(bins.size(), most);
    std::size_t end = 0;
    for (const Bin &bin : bins) {
      ASSERT_EQ(bin.first, end);
      ASSERT_LT(bin.first, bin.end);
      end = bin.end;
      ASSERT_TRUE(end == sorted.size() || sorted[end - 1] < sorted[end]) << "equal numbers parted";
    }
    ASSERT_EQ(end, sorted.size());
    const std::size_t numbers = std::set<float>(sorted.begin(), sorted.end()).size();
    ASSERT_TRUE(numbers > most || bins.size() == numbers);
  }
}

}  // namespace
}  // namespace trails
