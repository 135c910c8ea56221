// What snip and grad_norm want of a layer's weight gradient, without ever storing it.
//
// May touch: src/kernels, Google Highway.
#pragma once

#include "kernels/backward_product.h"
#include "kernels/blocked.h"

namespace trails::kernels {

struct WeightGradientSums {
  double squares = 0;   // sum of dW^2
  double products = 0;  // sum of |U * dW|
};

// Of dW[r][k] = sum over b of g[r][b] * h[k][b], over the candidate's rows and column_blocks blocks
// of columns; h is zero in padding columns.
//
// g: [rows.blocks][batch][16]. h: [column_blocks][batch][16]. panel: U as a backward panel of
// panel_rows rows. Cost: 32 * rows * column_blocks * batch flops and 1/5 more. Dispatched at run
// time; sums in float, those of 48 columns added in double.
WeightGradientSums WeightGradient(const float *g, RowBlocks rows, const float *h,
                                  std::int32_t column_blocks, std::int32_t batch,
                                  const float *panel, std::int64_t panel_rows);

}  // namespace trails::kernels
