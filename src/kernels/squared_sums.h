// Sums of squared weights of one block of rows, for all widths of the layer before at once.
//
// May touch: src/kernels, Google Highway.
#pragma once

#include "kernels/blocked.h"

namespace trails::kernels {

// sums[s] += sum over k < 16 * stops.blocks[s] and i < 16 of panel[k][i]^2, in double.
// panel: [>= 16 * last stop][16], one row block of a forward panel. Cost: memory-bound, some
// 0.4 ns a weight. Dispatched at run time; the sums are in a fixed order.
void AddSquaredSums(const float *panel, Stops stops, double *sums);

}  // namespace trails::kernels
