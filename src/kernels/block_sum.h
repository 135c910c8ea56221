// Sums over a block's threads in a fixed order, so that every run gives the same bits. For .cu
// files.
//
// May touch: the CUDA runtime.
#pragma once

#include "kernels/launch.h"

namespace trails::kernels {

// Sum over the 32 lanes of a warp, in every lane.
template <typename T>
__device__ __forceinline__ T WarpSum(T value) {
  for (int lanes = 16; lanes > 0; lanes /= 2) value += __shfl_xor_sync(~0U, value, lanes);
  return value;
}

// Sum over a block of at most 1,024 threads, whole warps, in every thread. All threads must call
// it.
template <typename T>
__device__ __forceinline__ T BlockSum(T value) {
  __shared__ T of_warps[32];
  value = WarpSum(value);
  const int warps = static_cast<int>(blockDim.x) / 32;
  __syncthreads();  // of an earlier call
  if (threadIdx.x % 32 == 0) of_warps[threadIdx.x / 32] = value;
  __syncthreads();
  T sum = of_warps[0];
  for (int w = 1; w < warps; ++w) sum += of_warps[w];
  return sum;
}

}  // namespace trails::kernels
