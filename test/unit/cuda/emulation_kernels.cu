#include "emulation_kernels.h"

#include "kernels/launch.h"

namespace trails {

namespace {

__global__ void SumKernel(const float *from, std::int64_t count, float *to) {
  __shared__ float sums[8];
  float sum = 0;
  for (std::int64_t i = threadIdx.x; i < count; i += blockDim.x) sum += from[i];
  for (int lanes = 16; lanes > 0; lanes /= 2) sum += __shfl_xor_sync(0xffffffffU, sum, lanes);
  if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = sum;
  __syncthreads();
  if (threadIdx.x == 0) {
    sum = 0;
    for (const float part : sums) sum += part;
    *to = sum;
  }
}

__global__ void CountKernel(unsigned long long *counter) {
  atomicAdd(counter, 1ULL);
}

}  // namespace

void SumCuda(const float *from, std::int64_t count, float *to, CUstream_st *stream) {
  kernels::Launch(SumKernel, 1, kernels::kThreads, stream, from, count, to);
}

void CountCuda(unsigned blocks, unsigned long long *counter, CUstream_st *stream) {
  kernels::Launch(CountKernel, blocks, 1, stream, counter);
}

}  // namespace trails
