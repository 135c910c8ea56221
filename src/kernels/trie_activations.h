// The hidden layers of many networks at once: products that stop at every width of the layer
// before, then bias or batch normalisation, ReLU, and which units are active.
//
// For one layer of all prefixes of a tile. On the card a block keeps the sums of 32 units and all
// samples in registers while it walks along k, and does what kernels/activate.h says at each stop,
// so that no pre-activation is written. Sums are taken in the CPU's order with the same fused
// multiply-adds, so that card and CPU (with FMA instructions) see the same bits: a sign decides the
// score.
//
// May touch: the CUDA runtime, src/kernels.
#pragma once

#include <cstdint>

#include "kernels/trie_layer.h"

struct CUstream_st;

namespace trails::kernels {

struct TrieActivations {
  const float *x;             // [inputs][column_blocks][batch][16]
  std::int32_t batch;         // 1 .. kMaxBatch
  const float *weight_scale;  // [widths]
  const float *bias_scale;    // [widths]
  const float *bias;          // [row_blocks][16]; null: batch normalisation
  float *h;                   // [outputs][row_blocks][batch][16]; null: patterns only
  std::uint16_t *patterns;    // [outputs][row_blocks][batch]: bit i for unit i of the row block
};

// The specification: StoppedProduct, then ActivatePlain or ActivateNormalised.
void TrieActivationsCpu(const TrieLayer &layer, const TrieActivations &of);

// The same in device memory, queued on `stream`: the same bits where the CPU has FMA instructions,
// else equal but for rounding (and a unit whose y rounds to the other side of zero).
// Throws Error(kDevice) when the launch is refused.
// Cost: 2 * units * batch flops for each unit of the inputs up to the last stop, in float without
// tensor cores (batches are padded to 32 or 64); reads the panel and x once a block of 32 units,
// from L2; writes 2 bytes for 16 units of a sample, 64 more where h is kept.
void TrieActivationsCuda(const TrieLayer &layer, const TrieActivations &of, CUstream_st *stream);

}  // namespace trails::kernels
