// Kernels of emulation_test.cpp alone.
#pragma once

#include <cstdint>

struct CUstream_st;

namespace trails {

// *to = the sum of from [count], by one block.
void SumCuda(const float *from, std::int64_t count, float *to, CUstream_st *stream);
// Adds 1 to *counter from each of `blocks` threads; blocks > 0.
void CountCuda(unsigned blocks, unsigned long long *counter, CUstream_st *stream);

}  // namespace trails
