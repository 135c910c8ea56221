// Logarithms of the determinants of nas_wot's kernels (kernels/log_determinant.h), of all leaves of
// a tile at once, straight into the scores.
//
// May touch: the CUDA runtime, src/kernels.
#pragma once

#include <cstdint>

#include "kernels/log_determinant.h"
#include "kernels/trie_layer.h"

struct CUstream_st;

namespace trails::kernels {

struct TrieDeterminants {
  const std::uint16_t *counts;  // [paths][DisagreementCounts(batch)]
  std::int32_t batch;           // 1 .. kMaxBatch
  const std::int32_t *hidden;   // [widths]: units of each width
  double *scores;               // [candidates]: ln det K, or +infinity where K is singular
};

// The specification: LogDeterminants.
void TrieDeterminantsCpu(const TrieLeaves &leaves, const TrieDeterminants &of);

// The same in device memory, queued on `stream`. Up to 32 samples by Cholesky's factorisation in
// float, a warp for each matrix with a row in each lane; a pivot below kSmallestPivot N, or more
// samples, by elimination in double with pivots, as LogDeterminant does it, so that the same
// candidates are singular. Otherwise scores differ by rounding, relative 1e-5 at most.
// Throws Error(kDevice) when a launch is refused.
// Cost: batch^3 / 3 flops a candidate in float, a warp's 500 multiply-adds and as many shuffles for
// 32 samples; reads 2 bytes a pair.
void TrieDeterminantsCuda(const TrieLeaves &leaves, const TrieDeterminants &of,
                          CUstream_st *stream);

}  // namespace trails::kernels
