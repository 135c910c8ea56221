#include "kernels/codes.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>

#include "kernels/simd.h"

namespace trails::kernels {

namespace {

static_assert(std::endian::native == std::endian::little, "packed codes are little-endian");

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Eight codes fill kBits bytes, so that each such group starts at a byte.
template <int kBits>
void Pack(const std::uint8_t *codes, std::size_t count, std::byte *to) {
  const auto word_of = [codes](std::size_t first, std::size_t number) {
    std::uint64_t word = 0;
    for (std::size_t j = 0; j < number; ++j) word |= std::uint64_t{codes[first + j]} << (j * kBits);
    return word;
  };
  std::size_t i = 0;
  for (; i + 8 <= count; i += 8, to += kBits) {
    const std::uint64_t word = word_of(i, 8);
    std::memcpy(to, &word, kBits);
  }
  if (i == count) return;
  const std::uint64_t word = word_of(i, count - i);
  std::memcpy(to, &word, PackedBytes(count - i, kBits));
}

template <int kBits>
void Unpack(const std::byte *from, std::size_t count, std::uint8_t *codes) {
  const auto put = [codes](std::uint64_t word, std::size_t first, std::size_t number) {
    for (std::size_t j = 0; j < number; ++j) {
      codes[first + j] = static_cast<std::uint8_t>(word >> (j * kBits) & ((1U << kBits) - 1));
    }
  };
  std::size_t i = 0;
  for (; i + 8 <= count; i += 8, from += kBits) {
    // Byte by byte, in a register: a copy of three bytes, read as eight, would stall.
    std::uint64_t word = 0;
    for (int byte = 0; byte < kBits; ++byte) {
      word |= static_cast<std::uint64_t>(from[byte]) << (8 * byte);
    }
    put(word, i, 8);
  }
  if (i == count) return;
  std::uint64_t word = 0;
  std::memcpy(&word, from, PackedBytes(count - i, kBits));
  put(word, i, count - i);
}

// By bits, from 1.
constexpr std::array kPack = {Pack<1>, Pack<2>, Pack<3>, Pack<4>, Pack<5>, Pack<6>, Pack<7>};
constexpr std::array kUnpack = {Unpack<1>, Unpack<2>, Unpack<3>, Unpack<4>,
                                Unpack<5>, Unpack<6>, Unpack<7>};

// What follows takes plain pointers, which the compiler can be told not to overlap.
TRAILS_SIMD void FindLevels(const float *__restrict values, std::size_t count, double first,
                            double per_unit, double last, std::int32_t *__restrict positions) {
  for (std::size_t i = 0; i < count; ++i) {
    const double level = (static_cast<double>(values[i]) - first) * per_unit;
    // This way round NaN, also that of infinity * 0, becomes 0.
    const double low = level > 0 ? level : 0;
    const double inside = low < last ? low : last;
    positions[i] = static_cast<std::int32_t>(inside + 0.5);
  }
}

// positions[i] = step * (how many of bounds[step - 1], bounds[2 * step - 1], ... are below).
TRAILS_SIMD void CountBounds(const float *__restrict values, std::size_t count,
                             const float *__restrict bounds, std::int32_t step, std::int32_t number,
                             std::int32_t *__restrict positions) {
  for (std::size_t i = 0; i < count; ++i) positions[i] = 0;
  for (std::int32_t n = 1; n <= number; ++n) {
    const float bound = bounds[n * step - 1];
    for (std::size_t i = 0; i < count; ++i) positions[i] += bound < values[i] ? step : 0;
  }
}

// Without TRAILS_SIMD: gathers of AVX-512 took twice the time.
void FindBins(const float *__restrict values, std::size_t count, const float *__restrict bounds,
              std::int32_t bits, std::int32_t *__restrict positions) {
  // Of 16 bounds each is compared with a whole vector of values; a search would look each up.
  constexpr std::int32_t kCountedBits = 4;
  const std::int32_t counted = std::min(bits, kCountedBits);
  CountBounds(values, count, bounds, 1 << (bits - counted), (1 << counted) - 1, positions);
  // All values a step at a time: no search waits for another one's outcome.
  for (std::int32_t half = 1 << (bits - counted) >> 1; half > 0; half /= 2) {
    const float *const middle = bounds + (half - 1);
    for (std::size_t i = 0; i < count; ++i) {
      // Without a branch, which would be guessed wrongly every other time.
      positions[i] += half & -static_cast<std::int32_t>(middle[positions[i]] < values[i]);
    }
  }
}

TRAILS_SIMD void CompareWithCut(const float *__restrict values, std::size_t count, float cut,
                                std::int32_t *__restrict positions) {
  for (std::size_t i = 0; i < count; ++i) positions[i] = values[i] > cut ? 1 : 0;
}

TRAILS_SIMD void ChooseCodes(const float *__restrict values, std::size_t count,
                             const std::int32_t *__restrict positions, OwnCodes own,
                             std::uint8_t *__restrict codes) {
  for (std::size_t i = 0; i < count; ++i) {
    const float value = values[i];
    std::int32_t code = value == 0 ? own.zero : -1;
    code = value != value ? own.nan : code;
    code = value == -kInfinity ? own.minus_infinity : code;
    code = value == kInfinity ? own.plus_infinity : code;
    codes[i] = static_cast<std::uint8_t>(code < 0 ? own.first + positions[i] : code);
  }
}

}  // namespace

void PositionsOfLevels(std::span<const float> values, const EvenLevels &levels,
                       std::int32_t *positions) noexcept {
  FindLevels(values.data(), values.size(), levels.first, levels.per_unit, levels.last, positions);
}

void PositionsOfBins(std::span<const float> values, const float *bounds, std::int32_t bits,
                     std::int32_t *positions) noexcept {
  FindBins(values.data(), values.size(), bounds, bits, positions);
}

void PositionsOfCut(std::span<const float> values, float cut, std::int32_t *positions) noexcept {
  CompareWithCut(values.data(), values.size(), cut, positions);
}

void CodesOfPositions(std::span<const float> values, const std::int32_t *positions,
                      const OwnCodes &own, std::uint8_t *codes) noexcept {
  ChooseCodes(values.data(), values.size(), positions, own, codes);
}

void LookUp(const std::uint8_t *codes, const float *levels, std::span<float> values) noexcept {
  // Without TRAILS_SIMD, as the search above.
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = levels[codes[i]];
}

void PackCodes(std::span<const std::uint8_t> codes, std::int32_t bits, std::byte *packed) noexcept {
  kPack[static_cast<std::size_t>(bits - 1)](codes.data(), codes.size(), packed);
}

void UnpackCodes(const std::byte *packed, std::int32_t bits,
                 std::span<std::uint8_t> codes) noexcept {
  kUnpack[static_cast<std::size_t>(bits - 1)](packed, codes.size(), codes.data());
}

}  // namespace trails::kernels
