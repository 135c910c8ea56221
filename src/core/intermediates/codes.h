// The loops of the quantiser: from values to codes of 8 bits and below, packed, and back.
//
// A value has a position among levels or bins. Its code is that position, moved up by the codes
// that stand for one value each: exact 0, NaN, the infinities.
//
// May touch: src/kernels. Never Torch or PostgreSQL.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace trails {

// Levels of equal distance.
struct EvenLevels {
  double first = 0;
  double per_unit = 0;    // 1 / distance; 0: all values are the first level
  std::int32_t last = 0;  // position of the last level
};

// Positions [values.size()] of the nearest levels; 0 for NaN.
void PositionsOfLevels(std::span<const float> values, const EvenLevels &levels,
                       std::int32_t *positions) noexcept;

// How many of the bounds are below each value; 0 for NaN. bounds [2^bits - 1], ascending.
// Sixteenths are found by comparing with all 15 bounds between them, the rest by binary search.
void PositionsOfBins(std::span<const float> values, const float *bounds, std::int32_t bits,
                     std::int32_t *positions) noexcept;

// 1 for values above the cut, else (NaN too) 0.
void PositionsOfCut(std::span<const float> values, float cut, std::int32_t *positions) noexcept;

// Codes that stand for one value each; -1: none. Those of positions follow, from `first`.
struct OwnCodes {
  std::int32_t zero = -1;
  std::int32_t nan = -1;
  std::int32_t minus_infinity = -1;
  std::int32_t plus_infinity = -1;
  std::int32_t first = 0;
};

// codes [values.size()].
void CodesOfPositions(std::span<const float> values, const std::int32_t *positions,
                      const OwnCodes &own, std::uint8_t *codes) noexcept;

// values[i] = levels[codes[i]]; codes [values.size()].
void LookUp(const std::uint8_t *codes, const float *levels, std::span<float> values) noexcept;

// Bytes of `count` codes.
constexpr std::size_t PackedBytes(std::size_t count, std::int32_t bits) noexcept {
  return (count * static_cast<std::size_t>(bits) + 7) / 8;
}

// Codes of 1 to 7 bits, the first one lowest; `packed` [PackedBytes(codes.size(), bits)]. Bits
// after the last code are 0, and are not looked at.
void PackCodes(std::span<const std::uint8_t> codes, std::int32_t bits, std::byte *packed) noexcept;
void UnpackCodes(const std::byte *packed, std::int32_t bits,
                 std::span<std::uint8_t> codes) noexcept;

}  // namespace trails
