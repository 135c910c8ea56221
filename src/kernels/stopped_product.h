// Products of one block of rows with the activations of the layer before, for all its widths at
// once: the sum over k is stored wherever a width ends, and goes on.
//
// May touch: src/kernels, Google Highway.
#pragma once

#include "kernels/blocked.h"

namespace trails::kernels {

// z[s][b][i] = sum over k < 16 * stops.blocks[s] of panel[k][i] * x[k / 16][b][k % 16], in float.
//
// panel: [>= 16 * last stop][16], one row block of a forward panel, or one k block of a backward
// panel (then the "k" here are the rows of the weights). x: [blocks][batch][16]. z:
// [stops][batch][16]. batch 1..kMaxBatch. Cost: 32 * 16 * last stop * batch flops; at the CPU's
// peak up to load bound (bench/micro/full_space_bench). Dispatched at run time; the sums are in a
// fixed order.
void StoppedProduct(const float *panel, const float *x, Stops stops, std::int32_t batch, float *z);

}  // namespace trails::kernels
