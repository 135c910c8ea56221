// Half floats against their definition: the nearest of all halves, found by search.
#include "kernels/half_float.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "core/random.h"

namespace trails::kernels {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr std::uint16_t kInfiniteHalf = 0x7C00;

// By the standard's words: sign, exponent with a bias of 15, fraction of 10 bits.
double Definition(std::uint16_t half) {
  const int exponent = half >> 10 & 31;
  const int fraction = half & 1023;
  const double magnitude =
      exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
  return half >> 15 == 0 ? magnitude : -magnitude;
}

bool IsNan(std::uint16_t half) {
  return (half & 0x7FFF) > kInfiniteHalf;
}

// The magnitudes of all halves, ascending; that of infinity as if the exponents went on.
const std::vector<double> &Magnitudes() {
  static const std::vector<double> magnitudes = [] {
    std::vector<double> all;
    for (std::uint16_t half = 0; half <= kInfiniteHalf; ++half) all.push_back(Definition(half));
    return all;
  }();
  return magnitudes;
}

// The nearest half to a number, of two the even one.
std::uint16_t Nearest(float value) {
  const std::vector<double> &all = Magnitudes();
  const double magnitude = std::fabs(static_cast<double>(value));
  const std::uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  const auto above = std::upper_bound(all.begin(), all.end(), magnitude);
  if (above == all.end()) return kInfiniteHalf | sign;
  const auto upper = static_cast<std::uint16_t>(above - all.begin());
  const double to_upper = all[upper] - magnitude;
  const double to_lower = magnitude - all[upper - 1U];
  const bool up = to_upper < to_lower || (to_upper == to_lower && upper % 2 == 0);
  return static_cast<std::uint16_t>((up ? upper : upper - 1) | sign);
}

std::vector<std::uint16_t> Halves(const std::vector<float> &values, float scale = 1) {
  std::vector<std::uint16_t> halves(values.size());
  HalvesFromFloats(values.data(), std::ssize(values), scale,
                   reinterpret_cast<std::byte *>(halves.data()));
  return halves;
}

std::vector<float> Floats(const std::vector<std::uint16_t> &halves, float scale = 1) {
  std::vector<float> values(halves.size());
  FloatsFromHalves(reinterpret_cast<const std::byte *>(halves.data()), std::ssize(halves), scale,
                   values.data());
  return values;
}

void ExpectNearest(const std::vector<float> &values) {
  const std::vector<std::uint16_t> halves = Halves(values);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isnan(values[i])) {
      ASSERT_TRUE(IsNan(halves[i])) << std::hex << std::bit_cast<std::uint32_t>(values[i]);
    } else {
      ASSERT_EQ(halves[i], Nearest(values[i])) << std::hexfloat << values[i];
    }
  }
}

TEST(HalfFloat, EveryHalfIsWhatTheStandardSaysAndComesBack) {
  std::vector<std::uint16_t> halves;
  for (std::uint32_t half = 0; half < 0x10000; ++half) {
    halves.push_back(static_cast<std::uint16_t>(half));
  }
  const std::vector<float> values = Floats(halves);
  const std::vector<std::uint16_t> back = Halves(values);
  for (const std::uint16_t half : halves) {
    if (IsNan(half)) {
      ASSERT_TRUE(std::isnan(values[half])) << half;
      ASSERT_TRUE(IsNan(back[half])) << half;
      continue;
    }
    ASSERT_EQ(back[half], half);
    ASSERT_EQ(std::signbit(values[half]), half >= 0x8000);
    if ((half & 0x7FFF) == kInfiniteHalf) {
      ASSERT_TRUE(std::isinf(values[half])) << half;
    } else {
      ASSERT_EQ(static_cast<double>(values[half]), Definition(half));
    }
  }
}

TEST(HalfFloat, EveryFloatBecomesTheNearestHalf) {
  for (const std::uint32_t low : {0x0U, 0x1U, 0xFFFU, 0x1000U, 0x1001U, 0x1FFFU, 0x2000U, 0x3000U,
                                  0x7FFFU, 0x8000U, 0x8001U, 0xF000U, 0xFFFFU}) {
    std::vector<float> values;
    for (std::uint32_t high = 0; high < 0x10000; ++high) {
      values.push_back(std::bit_cast<float>(high << 16 | low));
    }
    ExpectNearest(values);
  }
  RandomStream random(1);
  std::vector<float> values;
  for (int i = 0; i < 200'000; ++i) {
    values.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(random.Next())));
  }
  ExpectNearest(values);
}

TEST(HalfFloat, TiesGoToTheEvenHalf) {
  const std::vector<double> &all = Magnitudes();
  std::vector<float> values;
  for (std::size_t i = 1; i < all.size(); ++i) {
    const auto middle = static_cast<float>((all[i] + all[i - 1]) / 2);
    for (const float sign : {1.0f, -1.0f}) {
      values.push_back(sign * middle);
      values.push_back(sign * std::nextafter(middle, 0.0f));
      values.push_back(sign * std::nextafter(middle, kInfinity));
    }
  }
  ExpectNearest(values);
  EXPECT_EQ(values[values.size() - 6], kHalfOverflow);
  EXPECT_EQ(Halves({kHalfOverflow, std::nextafter(kHalfOverflow, 0.0f)}),
            (std::vector<std::uint16_t>{kInfiniteHalf, 0x7BFF}));
}

TEST(HalfFloat, ScalesByPowersOfTwo) {
  EXPECT_EQ(Floats(Halves({3e6f, -1.0f, 0.0f}, 0x1p-6f), 0x1p6f),
            (std::vector<float>{3'000'320.0f, -1.0f, 0.0f}));
  EXPECT_EQ(Halves({std::numeric_limits<float>::max()}, 0x1p-113f),
            std::vector<std::uint16_t>{0x7800});
  EXPECT_EQ(Halves({kInfinity, -kInfinity}, 0x1p-113f),
            (std::vector<std::uint16_t>{kInfiniteHalf, kInfiniteHalf | 0x8000}));
}

// The loops' vectors and what is left after them give the same bits, and touch nothing else.
TEST(HalfFloat, AnyCountAndAlignment) {
  RandomStream random(2);
  std::vector<float> values;
  for (int i = 0; i < 80; ++i) values.push_back(random.Symmetric(i % 3 == 0 ? 1e-5 : 100));
  const std::vector<std::uint16_t> expected = Halves(values);
  for (std::size_t offset = 0; offset < 4; ++offset) {
    for (std::size_t count = 0; count + offset <= values.size(); ++count) {
      std::vector<std::byte> bytes(offset + 2 * count + 1, std::byte{0xA5});
      HalvesFromFloats(values.data(), static_cast<std::int64_t>(count), 1, bytes.data() + offset);
      ASSERT_EQ(std::memcmp(bytes.data() + offset, expected.data(), 2 * count), 0);
      ASSERT_EQ(bytes.back(), std::byte{0xA5});
      std::vector<float> back(count + 1, 7.0f);
      FloatsFromHalves(bytes.data() + offset, static_cast<std::int64_t>(count), 1, back.data());
      const std::vector<float> whole = Floats(expected);
      ASSERT_TRUE(std::equal(back.begin(), back.end() - 1, whole.begin()));
      ASSERT_EQ(back.back(), 7.0f);
    }
  }
}

}  // namespace
}  // namespace trails::kernels
