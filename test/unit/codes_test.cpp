// The quantiser's loops, each against a slow one.
#include "kernels/codes.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "core/random.h"

namespace trails::kernels {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST(Codes, TheFirstIsInTheLowestBits) {
  const std::vector<std::uint8_t> codes = {1, 2, 7};
  std::vector<std::byte> packed(2);
  PackCodes(codes, 3, packed.data());
  EXPECT_EQ(packed, (std::vector<std::byte>{std::byte{0b11'010'001}, std::byte{0b1}}));
  EXPECT_EQ(PackedBytes(8, 5), 5U);
  EXPECT_EQ(PackedBytes(9, 7), 8U);
  EXPECT_EQ(PackedBytes(0, 3), 0U);
}

TEST(Codes, PackedOnesComeBackWhateverFollowsThem) {
  RandomStream random(6);
  for (std::int32_t bits = 1; bits <= 7; ++bits) {
    for (std::size_t count = 0; count < 70; ++count) {
      std::vector<std::uint8_t> codes(count);
      for (std::uint8_t &code : codes) code = static_cast<std::uint8_t>(random.Below(1 << bits));
      std::vector<std::byte> packed(PackedBytes(count, bits));
      PackCodes(codes, bits, packed.data());
      for (std::size_t i = 0; i < count; ++i) {
        for (std::int32_t bit = 0; bit < bits; ++bit) {
          const std::size_t at = i * static_cast<std::size_t>(bits) + static_cast<std::size_t>(bit);
          ASSERT_EQ(static_cast<int>(packed[at / 8] >> (at % 8) & std::byte{1}),
                    codes[i] >> bit & 1);
        }
      }
      const std::size_t used = count * static_cast<std::size_t>(bits) % 8;
      if (used > 0) {
        ASSERT_EQ(packed.back() >> used, std::byte{0});
        packed.back() |= std::byte{0xFF} << used;
      }
      std::vector<std::uint8_t> back(count);
      UnpackCodes(packed.data(), bits, back);
      ASSERT_EQ(back, codes);
    }
  }
}

TEST(Codes, BinsAreFoundAsByCounting) {
  RandomStream random(7);
  for (std::int32_t bits = 2; bits <= 8; ++bits) {
    std::vector<float> bounds(static_cast<std::size_t>((1 << bits) - 1), kInfinity);
    for (std::size_t i = 0; i < bounds.size() - 1; ++i) bounds[i] = static_cast<float>(i) / 4 - 1;
    std::vector<float> values = {kNan, kInfinity, -kInfinity, -1, 0, -0.0f, 62};
    for (int i = 0; i < 500; ++i) values.push_back(random.Symmetric(70));
    values.insert(values.end(), bounds.begin(), bounds.end());
    std::vector<std::int32_t> positions(values.size());
    PositionsOfBins(values, bounds.data(), bits, positions.data());
    for (std::size_t i = 0; i < values.size(); ++i) {
      std::int32_t below = 0;
      for (const float bound : bounds) below += bound < values[i] ? 1 : 0;
      ASSERT_EQ(positions[i], below) << values[i];
    }
  }
}

TEST(Codes, LevelsAreTheNearest) {
  const std::vector<float> values = {-2, -1.76f, -1.74f,    0,          0.74f, 0.76f,
                                     9,  kNan,   kInfinity, -kInfinity, -9};
  std::vector<std::int32_t> positions(values.size());
  PositionsOfLevels(values, {-2, 2, 6}, positions.data());
  EXPECT_EQ(positions, (std::vector<std::int32_t>{0, 0, 1, 4, 5, 6, 6, 0, 6, 0, 0}));
  PositionsOfLevels(values, {-2, 0, 6}, positions.data());
  EXPECT_EQ(positions, std::vector<std::int32_t>(values.size(), 0));
}

TEST(Codes, OwnCodesComeFirst) {
  const std::vector<float> values = {0, -0.0f, 3, kNan, -kInfinity, kInfinity};
  const std::vector<std::int32_t> positions = {5, 6, 7, 8, 9, 10};
  std::vector<std::uint8_t> codes(values.size());
  CodesOfPositions(values, positions.data(), {0, 1, 2, 3, 4}, codes.data());
  EXPECT_EQ(codes, (std::vector<std::uint8_t>{0, 0, 11, 1, 2, 3}));
  CodesOfPositions(values, positions.data(), {}, codes.data());
  EXPECT_EQ(codes, (std::vector<std::uint8_t>{5, 6, 7, 8, 9, 10}));
  CodesOfPositions(values, positions.data(), {-1, 0, 0, 0, 1}, codes.data());
  EXPECT_EQ(codes, (std::vector<std::uint8_t>{6, 7, 8, 0, 0, 0}));
}

}  // namespace
}  // namespace trails::kernels
