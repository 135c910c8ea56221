#include "kernels/cohort_pack.h"

#include "kernels/launch.h"

namespace trails::kernels {

namespace {

// A block a copy; copies are cut so that one is soon done, and there are thousands of them.
__global__ void PackKernel(const BlockCopy *copies) {
  const BlockCopy copy = copies[blockIdx.x];
  const auto columns = static_cast<unsigned>(copy.columns);
  const auto numbers = static_cast<unsigned>(copy.rows * copy.columns);
  for (unsigned i = threadIdx.x; i < numbers; i += blockDim.x) {
    const unsigned r = i / columns;
    const unsigned c = i - r * columns;
    copy.to[r * copy.to_stride + c] = copy.from[r * copy.from_stride + c];
  }
}

}  // namespace

void CohortPackCuda(const BlockCopy *copies, std::int64_t count, CUstream_st *stream) {
  if (count == 0) return;
  Launch(PackKernel, dim3(static_cast<unsigned>(count)), dim3(kThreads), stream, copies);
}

}  // namespace trails::kernels
