// Disagreements of the samples (kernels/disagreements.h) of many networks at once, at every width.
//
// May touch: the CUDA runtime, src/kernels.
#pragma once

#include <cstdint>

#include "kernels/disagreements.h"

struct CUstream_st;

namespace trails::kernels {

struct TrieDisagreements {
  const std::uint16_t *patterns;  // [outputs][row_blocks][batch], of TrieActivations
  std::int64_t outputs;
  std::int32_t row_blocks;
  std::int32_t batch;               // 1 .. kMaxBatch
  const std::int32_t *stop_blocks;  // [widths]: where the widths of this layer end, in blocks
  std::int32_t widths;
  // Counts of the layers before, [paths][DisagreementCounts(batch)]: output o goes on from path
  // prefixes[o], or o where prefixes is null. Null for the first layer.
  const std::uint16_t *before;
  const std::int32_t *prefixes;
  std::uint16_t *counts;  // [outputs][widths][DisagreementCounts(batch)]; zero past the batch
};

// The specification: Disagreements of each output.
void TrieDisagreementsCpu(const TrieDisagreements &of);

// The same in device memory, queued on `stream`; the same counts.
// Throws Error(kDevice) when the launch is refused.
// Cost: a __popc of 16 units for each of batch^2 / 2 pairs; writes 2 bytes a pair, width and
// output, which is what it takes.
void TrieDisagreementsCuda(const TrieDisagreements &of, CUstream_st *stream);

}  // namespace trails::kernels
