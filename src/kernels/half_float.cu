#include "kernels/half_float.h"
#include "kernels/launch.h"

namespace trails::kernels {

namespace {

constexpr int kGroup = 4;  // values of a thread: 16 bytes read, 8 written

// As half_float.cpp: integers alone decide, but for the addition that rounds a subnormal.
__device__ inline std::uint32_t Half(float value) {
  constexpr std::uint32_t kSign = 0x8000'0000, kInfinity = 0x7F80'0000;
  constexpr int kDropped = 23 - 10;
  constexpr std::uint32_t kBiases = (127 - 15) << 23;
  constexpr std::uint32_t kLeastNormal = kBiases + (1 << 23);
  constexpr std::uint32_t kBeyond = kBiases + (31U << 23);
  constexpr float kAligned = 0.5f;
  const std::uint32_t bits = __float_as_uint(value);
  const std::uint32_t magnitude = bits & ~kSign;
  const std::uint32_t sign = (bits & kSign) >> 16;
  if (magnitude >= kBeyond) return (magnitude > kInfinity ? 0x7E00U : 0x7C00U) | sign;
  if (magnitude < kLeastNormal) {
    return (__float_as_uint(__uint_as_float(magnitude) + kAligned) - __float_as_uint(kAligned)) |
           sign;
  }
  const std::uint32_t odd = (magnitude >> kDropped) & 1;
  return ((magnitude - kBiases + ((1U << (kDropped - 1)) - 1) + odd) >> kDropped) | sign;
}

__global__ void HalvesKernel(const float *from, std::int64_t count, float scale, std::byte *to) {
  auto *const halves = reinterpret_cast<std::uint16_t *>(to);
  const std::int64_t groups = (count + kGroup - 1) / kGroup;
  const std::int64_t step = std::int64_t{gridDim.x} * blockDim.x;
  for (std::int64_t g = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; g < groups;
       g += step) {
    const std::int64_t first = g * kGroup;
    if (first + kGroup <= count) {
      const float4 values = *reinterpret_cast<const float4 *>(from + first);
      *reinterpret_cast<uint2 *>(halves + first) =
          make_uint2(Half(values.x * scale) | Half(values.y * scale) << 16,
                     Half(values.z * scale) | Half(values.w * scale) << 16);
      continue;
    }
    for (std::int64_t i = first; i < count; ++i) {
      halves[i] = static_cast<std::uint16_t>(Half(from[i] * scale));
    }
  }
}

}  // namespace

void HalvesFromFloatsCuda(const float *from, std::int64_t count, float scale, std::byte *to,
                          CUstream_st *stream) {
  if (count == 0) return;
  Launch(HalvesKernel, BlocksFor((count + kGroup - 1) / kGroup), kThreads, stream, from, count,
         scale, to);
}

}  // namespace trails::kernels
