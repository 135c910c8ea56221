#include "kernels/half_float.h"

#include <bit>
#include <cstring>

#include "kernels/simd.h"

namespace trails::kernels {

namespace {

constexpr std::uint32_t kSign = 0x8000'0000;
constexpr std::uint32_t kInfinity = 0x7F80'0000;
constexpr int kDropped = 23 - 10;                    // bits of the fraction that a half lacks
constexpr std::uint32_t kBiases = (127 - 15) << 23;  // between the exponents of both
constexpr std::uint32_t kLeastNormal = kBiases + (1 << 23);             // 2^-14
constexpr std::uint32_t kBeyond = kBiases + (std::uint32_t{31} << 23);  // 2^16
constexpr std::uint32_t kHalfInfinity = 0x7C00;
constexpr std::uint32_t kHalfNan = 0x7E00;

// All three cases are computed and one is taken, so that loops of it become vectors.
inline std::uint32_t Half(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t magnitude = bits & ~kSign;
  // Adding a number whose last bit weighs 2^-24, as a subnormal half's does, rounds to that bit.
  constexpr float kAligned = 0.5f;
  const std::uint32_t subnormal =
      std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + kAligned) -
      std::bit_cast<std::uint32_t>(kAligned);
  // Just below a half of the last bit, and one more where that bit is odd: ties go to even. A carry
  // runs into the exponent, up to infinity, as it should.
  const std::uint32_t odd = (magnitude >> kDropped) & 1;
  const std::uint32_t normal =
      (magnitude - kBiases + ((1U << (kDropped - 1)) - 1) + odd) >> kDropped;
  const std::uint32_t beyond = magnitude > kInfinity ? kHalfNan : kHalfInfinity;
  const std::uint32_t finite = magnitude < kLeastNormal ? subnormal : normal;
  return (magnitude >= kBeyond ? beyond : finite) | (bits & kSign) >> 16;
}

inline float Float(std::uint32_t half) {
  const std::uint32_t magnitude = (half & 0x7FFF) << kDropped;
  constexpr std::uint32_t kTop = kHalfInfinity << kDropped;
  const std::uint32_t exponent = magnitude & kTop;
  const std::uint32_t normal = magnitude + kBiases + (exponent == kTop ? kBiases : 0);
  // A subnormal's fraction stands behind a leading one that the subtraction takes off again.
  const std::uint32_t subnormal = std::bit_cast<std::uint32_t>(
      std::bit_cast<float>(magnitude + kLeastNormal) - std::bit_cast<float>(kLeastNormal));
  return std::bit_cast<float>((exponent == 0 ? subnormal : normal) | (half & 0x8000) << 16);
}

}  // namespace

TRAILS_SIMD void HalvesFromFloats(const float *__restrict from, std::int64_t count, float scale,
                                  std::byte *__restrict to) {
  for (std::int64_t i = 0; i < count; ++i) {
    const auto half = static_cast<std::uint16_t>(Half(from[i] * scale));
    std::memcpy(to + 2 * i, &half, sizeof(half));
  }
}

TRAILS_SIMD void FloatsFromHalves(const std::byte *__restrict from, std::int64_t count, float scale,
                                  float *__restrict to) {
  for (std::int64_t i = 0; i < count; ++i) {
    std::uint16_t half;
    std::memcpy(&half, from + 2 * i, sizeof(half));
    to[i] = Float(half) * scale;
  }
}

}  // namespace trails::kernels
