// The quantisers' kernels against the CPU's: the same bytes.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "core/card/runtime.h"
#include "core/random.h"
#include "kernels/codes.h"
#include "kernels/half_float.h"
#include "kernels/pool_maps.h"

namespace trails::kernels {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Numbers of all magnitudes, and each of those that have codes of their own.
std::vector<float> Numbers(std::int64_t count, std::uint64_t seed) {
  RandomStream random(seed);
  std::vector<float> numbers;
  for (std::int64_t i = 0; i < count; ++i) {
    const float special[] = {0.0f, -0.0f, kInfinity, -kInfinity, std::nanf("")};
    numbers.push_back(
        random.Below(8) == 0
            ? special[random.Below(5)]
            : static_cast<float>(random.Normal() *
                                 std::pow(2.0, static_cast<double>(random.Below(60)) - 40.0)));
  }
  return numbers;
}

// What `encode` writes for the numbers, in `bytes` bytes, behind which nothing may be touched.
template <typename Encode>
std::vector<std::byte> OnCard(const std::vector<float> &numbers, std::size_t bytes,
                              const Encode &encode) {
  const CardStream stream;
  const CardArray<float> from(std::ssize(numbers));
  const CardArray<std::byte> to(static_cast<std::int64_t>(bytes) + 1);
  from.Upload(numbers, stream);
  CheckCuda(cudaMemsetAsync(to.data(), 0xEE, bytes + 1, stream.get()), "fill");
  encode(from.data(), to.data(), stream.get());
  std::vector<std::byte> codes = to.Download(stream);
  EXPECT_EQ(codes.back(), std::byte{0xEE});
  codes.pop_back();
  return codes;
}

std::vector<std::byte> Packed(const std::vector<float> &numbers,
                              const std::vector<std::int32_t> &positions, const OwnCodes &own,
                              std::int32_t bits) {
  std::vector<std::uint8_t> codes(numbers.size());
  CodesOfPositions(numbers, positions.data(), own, codes.data());
  std::vector<std::byte> packed(PackedBytes(numbers.size(), bits));
  if (bits == 8) {
    for (std::size_t i = 0; i < codes.size(); ++i) packed[i] = static_cast<std::byte>(codes[i]);
  } else {
    PackCodes(codes, bits, packed.data());
  }
  return packed;
}

const std::vector<std::int64_t> kCounts = {1, 7, 8, 9, 255, 2'051};

TEST(QuantiseTest, Halves) {
  for (const std::int64_t count : kCounts) {
    for (const float scale : {1.0f, 0.0625f}) {
      const std::vector<float> numbers = Numbers(count, 1);
      std::vector<std::byte> expected(numbers.size() * 2);
      HalvesFromFloats(numbers.data(), count, scale, expected.data());
      EXPECT_EQ(OnCard(numbers, expected.size(),
                       [&](const float *from, std::byte *to, cudaStream_t stream) {
                         HalvesFromFloatsCuda(from, count, scale, to, stream);
                       }),
                expected);
    }
  }
}

TEST(QuantiseTest, EvenLevels) {
  const OwnCodes own{.zero = 0, .nan = 1, .minus_infinity = 2, .plus_infinity = 3, .first = 4};
  for (const std::int64_t count : kCounts) {
    for (const double per_unit : {0.0, 251 / 6.0}) {
      const std::vector<float> numbers = Numbers(count, 2);
      const EvenLevels levels{.first = -3.0, .per_unit = per_unit, .last = 251};
      std::vector<std::int32_t> positions(numbers.size());
      PositionsOfLevels(numbers, levels, positions.data());
      const std::vector<std::byte> expected = Packed(numbers, positions, own, 8);
      EXPECT_EQ(OnCard(numbers, expected.size(),
                       [&](const float *from, std::byte *to, cudaStream_t stream) {
                         EncodeLevelsCuda(from, count, levels, own, to, stream);
                       }),
                expected);
    }
  }
}

TEST(QuantiseTest, BinsOfEveryWidth) {
  const CardStream stream;
  for (std::int32_t bits = 1; bits <= 8; ++bits) {
    RandomStream random(static_cast<std::uint64_t>(bits));
    std::vector<float> bounds;
    for (std::int32_t b = 0; b + 1 < 1 << bits; ++b) {
      bounds.push_back(static_cast<float>(b - (1 << bits) / 2 + random.Uniform() * 0.9));
    }
    if (bits > 3) bounds.back() = kInfinity;  // fewer bins than codes
    const CardArray<float> card_bounds(std::ssize(bounds));
    card_bounds.Upload(bounds, stream);
    stream.Synchronize();
    const OwnCodes own =
        bits > 2
            ? OwnCodes{.zero = 0, .nan = 1, .minus_infinity = 2, .plus_infinity = 3, .first = 0}
            : OwnCodes{};
    for (const std::int64_t count : kCounts) {
      const std::vector<float> numbers = Numbers(count, 3);
      std::vector<std::int32_t> positions(numbers.size());
      PositionsOfBins(numbers, bounds.data(), bits, positions.data());
      const std::vector<std::byte> expected = Packed(numbers, positions, own, bits);
      EXPECT_EQ(OnCard(numbers, expected.size(),
                       [&](const float *from, std::byte *to, cudaStream_t on) {
                         EncodeBinsCuda(from, count, card_bounds.data(), bits, own, to, on);
                       }),
                expected)
          << bits << " bits, " << count;
    }
  }
}

TEST(QuantiseTest, Cut) {
  for (const std::int64_t count : kCounts) {
    const std::vector<float> numbers = Numbers(count, 4);
    std::vector<std::int32_t> positions(numbers.size());
    PositionsOfCut(numbers, 0.25f, positions.data());
    const std::vector<std::byte> expected = Packed(numbers, positions, {}, 1);
    EXPECT_EQ(OnCard(numbers, expected.size(),
                     [&](const float *from, std::byte *to, cudaStream_t stream) {
                       EncodeCutCuda(from, count, 0.25f, to, stream);
                     }),
              expected);
  }
}

TEST(QuantiseTest, PooledMaps) {
  const CardStream stream;
  for (const bool largest : {false, true}) {
    for (const std::int32_t pool : {2, 3, 8}) {
      const Maps maps{.channels = 3, .height = 7, .width = 5, .pool = pool, .largest = largest};
      constexpr std::int64_t kRows = 37;
      std::vector<float> values = Numbers(3 * 7 * 5 * kRows, 5);
      for (float &value : values) {
        if (std::isinf(value)) value = 1;  // infinities of both signs add up to NaN of either sign
      }
      const std::int64_t pooled = std::int64_t{3} * PooledSide(7, pool) * PooledSide(5, pool);
      std::vector<float> expected(static_cast<std::size_t>(pooled * kRows));
      PoolMapsCpu(maps, values.data(), kRows, expected.data());
      const CardArray<float> from(std::ssize(values)), to(std::ssize(expected));
      from.Upload(values, stream);
      PoolMapsCuda(maps, from.data(), kRows, to.data(), stream.get());
      const std::vector<float> found = to.Download(stream);
      for (std::size_t i = 0; i < expected.size(); ++i) {
        if (std::isnan(expected[i])) {
          EXPECT_TRUE(std::isnan(found[i])) << i;
        } else {
          EXPECT_EQ(found[i], expected[i]) << i;
        }
      }
    }
  }
}

}  // namespace
}  // namespace trails::kernels
