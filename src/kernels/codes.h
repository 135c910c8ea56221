// The loops of the quantiser: from values to codes of 8 bits and below, packed, and back; on the
// CPU in steps, of which core/intermediates/quantiser.h makes an encoding, on a card in one pass.
//
// A value has a position among levels or bins. Its code is that position, moved up by the codes
// that stand for one value each: exact 0, NaN, the infinities.
//
// May touch: the C++ standard library, .cu the CUDA runtime. Knows nothing of Torch or PostgreSQL.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

struct CUstream_st;

namespace trails::kernels {

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

// The same on a card, packed, byte for byte: what Quantiser::Encode writes for the scheme. values
// [count], bounds and codes [PackedBytes(count, bits)] are in its memory, 8-byte aligned. Queued on
// `stream`; Throws Error(kDevice) when the launch is refused. Cost: memory-bound, 4 + bits / 8
// bytes a value; the bounds of 8 bits, 1 kB, stay in a block's shared memory.
void EncodeLevelsCuda(const float *values, std::int64_t count, const EvenLevels &levels,
                      const OwnCodes &own, std::byte *codes, CUstream_st *stream);  // 8 bits
void EncodeBinsCuda(const float *values, std::int64_t count, const float *bounds, std::int32_t bits,
                    const OwnCodes &own, std::byte *codes, CUstream_st *stream);
void EncodeCutCuda(const float *values, std::int64_t count, float cut, std::byte *codes,
                   CUstream_st *stream);  // 1 bit

}  // namespace trails::kernels
