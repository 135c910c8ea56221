// Softmax of a row of few numbers by one thread, or of many by a warp, as SoftmaxRow of
// kernels/loss.cpp computes it. For .cu files.
//
// May touch: the CUDA runtime.
#pragma once

#include <cstdint>

#include "kernels/block_sum.h"

namespace trails::kernels {

inline constexpr std::int32_t kFewOutputs = 8;  // that one thread holds in registers

// What a row's softmax is made of; in every lane that took part.
struct SoftmaxOf {
  float largest;
  double sum;  // of the exponentials of what is left of the numbers without `largest`

  __device__ __forceinline__ float Share() const { return static_cast<float>(1.0 / sum); }
  // ln of the sum of the exponentials of the numbers themselves.
  __device__ __forceinline__ double LogSum() const { return log(sum) + largest; }
};

// The exponential of one number of the row: 1 for the largest, without computing it; what is no
// number stays none.
__device__ __forceinline__ float ExponentialOf(float value, float largest) {
  return value == largest && isfinite(largest) ? 1.0f : expf(value - largest);
}

// row [outputs] (<= kFewOutputs) becomes its exponentials. Loops are unrolled: the row is
// registers.
__device__ __forceinline__ SoftmaxOf ExponentialsOfFew(float (&row)[kFewOutputs],
                                                       std::int32_t outputs) {
  SoftmaxOf of = {row[0], 0.0};
#pragma unroll
  for (int c = 1; c < kFewOutputs; ++c) {
    if (c < outputs && row[c] > of.largest) of.largest = row[c];
  }
#pragma unroll
  for (int c = 0; c < kFewOutputs; ++c) {
    if (c >= outputs) break;
    row[c] = ExponentialOf(row[c], of.largest);
    of.sum += row[c];
  }
  return of;
}

// The same by the 32 lanes of a warp, all of them: at(c) is number c of the row, which stays as it
// is. What is no number makes the sum none.
template <typename Row>
__device__ __forceinline__ SoftmaxOf ExponentialsOfMany(const Row &at, std::int32_t outputs) {
  const auto lane = static_cast<std::int32_t>(threadIdx.x % 32);
  float largest = at(lane < outputs ? lane : 0);
  for (std::int32_t c = lane; c < outputs; c += 32) largest = fmaxf(largest, at(c));
  for (int lanes = 16; lanes > 0; lanes /= 2) {
    largest = fmaxf(largest, __shfl_xor_sync(~0U, largest, lanes));
  }
  double sum = 0;
  for (std::int32_t c = lane; c < outputs; c += 32) sum += ExponentialOf(at(c), largest);
  return {largest, WarpSum(sum)};
}

}  // namespace trails::kernels
