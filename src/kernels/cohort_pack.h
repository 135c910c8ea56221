// Moves the numbers of members into and out of the padded arrays of a cohort's group: many small
// matrices, each from one place with one row length to another, in one launch.
//
// May touch: the CUDA runtime (.cu only). Knows nothing of Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <vector>

struct CUstream_st;

namespace trails::kernels {

// to[r * to_stride + c] = from[r * from_stride + c] for r < rows, c < columns. No two copies of a
// call may write the same number, nor read what another writes.
struct BlockCopy {
  const float *from = nullptr;
  float *to = nullptr;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t from_stride = 0;
  std::int64_t to_stride = 0;
};

inline constexpr std::int64_t kMostCopied = 1 << 16;  // numbers of one BlockCopy

// Appends `copy`, cut into runs of rows (of columns, where one row is longer) of at most
// kMostCopied numbers, so that no block of the launch has much more to do than others.
void AppendBlockCopies(const BlockCopy &copy, std::vector<BlockCopy> *copies);

// Does copies [count], each of at most kMostCopied numbers.
void CohortPackCpu(const BlockCopy *copies, std::int64_t count);

// The same in device memory, `copies` included, queued on `stream`; exactly.
// Throws Error(kDevice) when the launch is refused. Cost: memory-bound, 8 bytes a number.
void CohortPackCuda(const BlockCopy *copies, std::int64_t count, CUstream_st *stream);

}  // namespace trails::kernels
