#include "kernels/codes.h"
#include "kernels/launch.h"

namespace trails::kernels {

namespace {

constexpr int kGroup = 8;  // codes of a thread: they end with a whole byte
constexpr int kMostBounds = 255;

// Each scheme's way from a value to its position.
struct LevelFinder {
  EvenLevels levels;

  __device__ std::uint32_t operator()(float value) const {
    const double level = (static_cast<double>(value) - levels.first) * levels.per_unit;
    // This way round NaN, also that of infinity * 0, becomes 0.
    const double low = level > 0 ? level : 0;
    const double last = levels.last;
    return static_cast<std::uint32_t>((low < last ? low : last) + 0.5);
  }
};

struct CutFinder {
  float cut;

  __device__ std::uint32_t operator()(float value) const { return value > cut ? 1 : 0; }
};

struct BinFinder {
  const float *bounds;  // of the block
  std::int32_t bits;

  __device__ std::uint32_t operator()(float value) const {
    std::uint32_t position = 0;
    for (std::uint32_t half = 1U << bits >> 1; half > 0; half /= 2) {
      position += bounds[position + half - 1] < value ? half : 0;
    }
    return position;
  }
};

__device__ inline std::uint32_t CodeOf(float value, std::uint32_t position, const OwnCodes &own) {
  std::int32_t code = value == 0 ? own.zero : -1;
  if (isnan(value)) code = own.nan;
  if (isinf(value)) code = value < 0 ? own.minus_infinity : own.plus_infinity;
  return code < 0 ? static_cast<std::uint32_t>(own.first) + position
                  : static_cast<std::uint32_t>(code);
}

// The codes of the threads' groups of eight values, packed; one word of `bits` bytes a group.
template <typename Finder>
__device__ void EncodeGroups(const float *values, std::int64_t count, std::int32_t bits,
                             const OwnCodes &own, const Finder &find, std::byte *codes) {
  const std::int64_t groups = (count + kGroup - 1) / kGroup;
  const std::int64_t step = std::int64_t{gridDim.x} * blockDim.x;
  for (std::int64_t g = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; g < groups;
       g += step) {
    const std::int64_t first = g * kGroup;
    const int number = count - first < kGroup ? static_cast<int>(count - first) : kGroup;
    float group[kGroup] = {};
    if (number == kGroup) {
      const auto *const from = reinterpret_cast<const float4 *>(values + first);
      const float4 low = from[0], high = from[1];
      group[0] = low.x, group[1] = low.y, group[2] = low.z, group[3] = low.w;
      group[4] = high.x, group[5] = high.y, group[6] = high.z, group[7] = high.w;
    } else {
      for (int i = 0; i < number; ++i) group[i] = values[first + i];
    }
    std::uint64_t word = 0;
#pragma unroll
    for (int i = 0; i < kGroup; ++i) {
      const std::uint64_t code = CodeOf(group[i], find(group[i]), own);
      if (i < number) word |= code << (i * bits);
    }
    std::byte *const to = codes + g * bits;
    if (bits == 8 && number == kGroup) {
      *reinterpret_cast<std::uint64_t *>(to) = word;
      continue;
    }
    const int bytes = (number * bits + 7) / 8;
    for (int b = 0; b < bytes; ++b) to[b] = static_cast<std::byte>(word >> (8 * b));
  }
}

__global__ void EncodeLevelsKernel(const float *values, std::int64_t count, EvenLevels levels,
                                   OwnCodes own, std::byte *codes) {
  EncodeGroups(values, count, 8, own, LevelFinder{levels}, codes);
}

__global__ void EncodeBinsKernel(const float *values, std::int64_t count, const float *bounds,
                                 std::int32_t bits, OwnCodes own, std::byte *codes) {
  __shared__ float kept[kMostBounds];
  for (int b = static_cast<int>(threadIdx.x); b < (1 << bits) - 1;
       b += static_cast<int>(blockDim.x)) {
    kept[b] = bounds[b];
  }
  __syncthreads();
  EncodeGroups(values, count, bits, own, BinFinder{kept, bits}, codes);
}

__global__ void EncodeCutKernel(const float *values, std::int64_t count, float cut,
                                std::byte *codes) {
  EncodeGroups(values, count, 1, OwnCodes{}, CutFinder{cut}, codes);
}

unsigned Blocks(std::int64_t count) {
  return BlocksFor((count + kGroup - 1) / kGroup);
}

}  // namespace

void EncodeLevelsCuda(const float *values, std::int64_t count, const EvenLevels &levels,
                      const OwnCodes &own, std::byte *codes, CUstream_st *stream) {
  if (count == 0) return;
  Launch(EncodeLevelsKernel, Blocks(count), kThreads, stream, values, count, levels, own, codes);
}

void EncodeBinsCuda(const float *values, std::int64_t count, const float *bounds, std::int32_t bits,
                    const OwnCodes &own, std::byte *codes, CUstream_st *stream) {
  if (count == 0) return;
  Launch(EncodeBinsKernel, Blocks(count), kThreads, stream, values, count, bounds, bits, own,
         codes);
}

void EncodeCutCuda(const float *values, std::int64_t count, float cut, std::byte *codes,
                   CUstream_st *stream) {
  if (count == 0) return;
  Launch(EncodeCutKernel, Blocks(count), kThreads, stream, values, count, cut, codes);
}

}  // namespace trails::kernels
