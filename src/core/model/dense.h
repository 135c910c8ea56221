// Fully connected layers as the predictor runs them: weights in panels of 32 outputs, so that
// plain loops keep a whole tile of sums in vector registers.
//
// Each output is bias + x[0] w[0] + x[1] w[1] + ... in that order and without fused multiply-add,
// whatever the CPU and whatever rows stand beside it: one row alone, the same row in a block, and
// the same row on another machine give the same bits.
//
// May touch: src/core/model, src/core/data, src/kernels. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <stop_token>
#include <vector>

#include "core/model/model.h"

namespace trails {

// Outputs of one panel: 2 vectors of AVX-512, 4 of AVX2, 8 of SSE2.
inline constexpr std::int32_t kPanelOutputs = 32;

// A DenseLayer ready to run. Outputs are padded with zeros to whole panels.
struct PackedLayer {
  std::int32_t inputs = 0;
  std::int32_t padded_outputs = 0;
  std::vector<float> weight;  // [padded_outputs / kPanelOutputs, inputs, kPanelOutputs]
  std::vector<float> bias;    // [padded_outputs]
};

// Throws Error(kCancelled) within a millisecond of a stop.
PackedLayer PackLayer(const DenseLayer &layer, const std::stop_token &stop = {});

// y = W x + b for each row, then ReLU if `relu` (NaN stays NaN). x [rows, x_stride], of which the
// first `inputs` of a row are read; y [rows, padded_outputs]. x and y must not overlap.
// Cost on one core, layers of 128 (bench/micro/predictor_bench): 88 GFLOP/s with AVX-512, 47 with
// AVX2, 29 with SSE2 alone, where Eigen compiled for SSE2 reaches 26.
void RunLayer(const PackedLayer &layer, const float *x, std::int64_t rows, std::int64_t x_stride,
              bool relu, float *y);

// ReLU in place, by RunLayer's own comparison: NaN stays NaN, and the bits are RunLayer's. Cost:
// one pass.
void ApplyRelu(float *y, std::int64_t count) noexcept;

}  // namespace trails
