// The random streams: the published numbers first, then their distributions.
#include "core/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <set>
#include <vector>

namespace trails {
namespace {

TEST(RandomStream, GivesSplitMix64sNumbers) {
  RandomStream stream(12345);
  for (const std::uint64_t expected :
       {0x22118258a9d111a0ULL, 0x346edce5f713f8edULL, 0x1e9a57bc80e6721dULL, 0x2d160e7e5c3f42caULL,
        0x81c2e6dc980d78ebULL}) {
    EXPECT_EQ(stream.Next(), expected);
  }
}

TEST(RandomStream, UniformIsTheTop53Bits) {
  RandomStream stream(12345);
  for (const double expected : {.13307966866142729, .20481663336165912, .11954258300911547,
                                .17611780724496118, .50688021550745599}) {
    EXPECT_EQ(stream.Uniform(), expected);
  }
}

TEST(RandomStream, AfterSkipsDraws) {
  RandomStream stream(77);
  for (std::uint64_t draws = 0; draws < 100; ++draws) {
    const std::uint64_t next = RandomStream(77).After(draws).Next();
    EXPECT_EQ(next, stream.Next());
  }
}

TEST(RandomStream, SymmetricRoundsOnce) {
  RandomStream stream(12345);
  EXPECT_EQ(stream.Symmetric(0.3), static_cast<float>((2.0 * .13307966866142729 - 1.0) * 0.3));
  double sum = 0;
  for (int i = 0; i < 100'000; ++i) {
    const double value = static_cast<double>(stream.Symmetric(0.5));
    ASSERT_LE(std::fabs(value), 0.5);
    sum += value;
  }
  EXPECT_NEAR(sum / 100'000, 0, 4 * 0.5 / std::sqrt(3.0 * 100'000));
}

TEST(RandomStream, BelowIsUniform) {
  constexpr std::int64_t kCount = 7;
  constexpr int kDraws = 70'000;
  std::vector<double> seen(kCount);
  RandomStream stream(1);
  for (int i = 0; i < kDraws; ++i) {
    const std::int64_t value = stream.Below(kCount);
    ASSERT_GE(value, 0);
    ASSERT_LT(value, kCount);
    ++seen[static_cast<std::size_t>(value)];
  }
  double chi_square = 0;
  for (const double count : seen) {
    chi_square += (count - 10'000) * (count - 10'000) / 10'000;
  }
  EXPECT_LT(chi_square, 22.46);  // 6 degrees of freedom, p = 0.001
  EXPECT_EQ(stream.Below(1), 0);
}

TEST(RandomStream, NormalHasItsMoments) {
  constexpr int kDraws = 200'000;
  RandomStream stream(2);
  double sum = 0, squares = 0, fourths = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double value = stream.Normal();
    sum += value;
    squares += value * value;
    fourths += value * value * value * value;
  }
  EXPECT_NEAR(sum / kDraws, 0, 4 * std::sqrt(1.0 / kDraws));
  EXPECT_NEAR(squares / kDraws, 1, 4 * std::sqrt(2.0 / kDraws));
  EXPECT_NEAR(fourths / kDraws, 3, 4 * std::sqrt(96.0 / kDraws));
}

TEST(RandomStream, ShufflePutsEveryValueEverywhere) {
  constexpr int kValues = 5;
  constexpr int kShuffles = 25'000;
  std::vector<std::vector<double>> seen(kValues, std::vector<double>(kValues));
  RandomStream stream(3);
  for (int i = 0; i < kShuffles; ++i) {
    std::vector<int> values(kValues);
    std::iota(values.begin(), values.end(), 0);
    stream.Shuffle(values.data(), kValues);
    for (std::size_t at = 0; at < kValues; ++at) ++seen[at][static_cast<std::size_t>(values[at])];
    std::sort(values.begin(), values.end());
    ASSERT_EQ(values, (std::vector<int>{0, 1, 2, 3, 4}));
  }
  double chi_square = 0;
  for (const auto &row : seen) {
    for (const double count : row) chi_square += (count - 5'000) * (count - 5'000) / 5'000;
  }
  EXPECT_LT(chi_square, 39.25);  // 16 degrees of freedom, p = 0.001
}

TEST(RandomStream, PurposesAndSeedsDoNotMeet) {
  std::set<std::uint64_t> firsts;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    for (std::uint64_t purpose = 0; purpose < 50; ++purpose) {
      firsts.insert(RandomStream::ForPurpose(seed, purpose).Next());
    }
  }
  EXPECT_EQ(firsts.size(), 200u * 50u);
}

}  // namespace
}  // namespace trails
