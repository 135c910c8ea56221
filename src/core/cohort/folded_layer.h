// A trained layer as a network predicts with it: its batch norm folded into weights and bias.
//
// May touch: src/core/model, src/kernels. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>

#include "core/model/model.h"

namespace trails {

// Averages over the mini-batches of training, of one Linear and its BatchNorm.
struct AveragedLayer {
  std::int64_t inputs = 0;
  std::int64_t outputs = 0;
  const float *weight = nullptr;  // [outputs, inputs]
  const float *gamma = nullptr;   // [outputs]; null: the output layer, which has no batch norm
  const float *beta = nullptr;    // [outputs]; the bias of the output layer
  const float *mean = nullptr;    // [outputs]; hidden layers
  const float *var = nullptr;     // [outputs], unbiased; hidden layers
};

// y = W x + b with W = weight * scale, b = beta - mean * scale, scale = gamma / sqrt(var + eps), a
// row each. Throws std::bad_alloc. Cost: one pass.
DenseLayer FoldLayer(const AveragedLayer &layer);

}  // namespace trails
