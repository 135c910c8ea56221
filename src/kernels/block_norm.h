// Batch normalisation and ReLU in blocks of 16 units, training mode, gamma 1 and beta 0: the layers
// of the gradient TFMEMs. Forward, backward, and the derivatives of both along W -> (1 + t) W.
//
//   zhat = (z - mean z) inv,  inv = 1 / sqrt(var z + kBatchNormEps),  h = max(zhat, 0)
//
// A unit is active where zhat > 0. The bias cancels, so that it only enters `level`. Formulas of
// the tangents: with q = mean(dz zhat), dinv = -inv^2 q and dzhat = inv (dz - mean dz - zhat q).
//
// May touch: src/kernels, Google Highway.
#pragma once

#include "kernels/blocked.h"

namespace trails::kernels {

// One layer's arrays, from its first block on. Those of the tangent are null where nobody asks.
struct BlockNorm {
  float *normed;        // zhat [blocks][batch][16]
  float *hidden;        // h [blocks][batch][16]
  float *inv;           // [blocks][16]
  float *level;         // mean z + bias [blocks][16]
  float *tangent;       // dzhat [blocks][batch][16]
  float *pushed;        // h + dh [blocks][batch][16]
  float *tangent_mean;  // q [blocks][16]
};

// The arrays of the block `block`.
BlockNorm AtBlock(const BlockNorm &norm, std::int32_t block, std::int32_t batch) noexcept;

// Fills normed, hidden, inv and level of one block from z = scale * product; product [batch][16],
// bias [16] times bias_scale. Cost: three passes over one block.
void NormForward(const float *product, float scale, const float *bias, float bias_scale,
                 std::int32_t batch, const BlockNorm &norm);

// Fills tangent, pushed and tangent_mean of one block from dz = scale * product, after NormForward.
void NormTangent(const float *product, float scale, std::int32_t batch, const BlockNorm &norm);

// Sums over the units and samples of a layer.
struct NormSums {
  double gain = 0;    // sum over units of mean(gy zhat) inv^2: kBatchNormEps * batch times it is
                      // <W, dW>, for batch normalisation makes all but eps of it vanish
  double gammas = 0;  // sum over units of mean(gy zhat)^2
  double betas = 0;   // sum over units of mean(gy)^2
  double fisher = 0;  // sum of (a * g)^2, a the pre-activation; only where asked for
};

// What the tangent of the backward pass needs of it. Null: not asked for.
struct NormBackwardMeans {
  float *normed;   // mean(gy zhat) [blocks][16]
  float *tangent;  // mean(gy dzhat) [blocks][16]
};

// g [blocks][batch][16] is W' g of the layer above without its scale; it becomes dL/dz:
//   gy = scale * g where active, else 0;  dz = inv (gy - mean gy - zhat mean(gy zhat))
// Cost: two passes over g and zhat.
NormSums NormBackward(const BlockNorm &norm, float scale, std::int32_t blocks, std::int32_t batch,
                      bool fisher, NormBackwardMeans means, float *g);

// The tangent of NormBackward: `product` is W' (g + dg) of the layer above without its scale, g
// dL/dz of this layer. product becomes g + d(dL/dz), and dg d(dL/dz).
void NormBackwardTangent(const BlockNorm &norm, float scale, std::int32_t blocks,
                         std::int32_t batch, NormBackwardMeans means, const float *g,
                         float *product, float *dg);

}  // namespace trails::kernels
