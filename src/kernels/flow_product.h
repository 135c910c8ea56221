// Flows through the absolute weights of a layer, for all widths of the layer before at once.
//
// In double, because scores of flows are compared to 1e-9; the weights stay the floats of the
// forward panel, so that no second copy of the bank is kept.
//
// May touch: src/kernels, Google Highway.
#pragma once

#include "kernels/blocked.h"

namespace trails::kernels {

// Flows that go through a layer side by side.
inline constexpr std::int32_t kMaxFlowColumns = 12;

// y[s][c][i] = sum over k < 16 * stops.blocks[s] of |panel[k][i]| * x[c][k], in double.
//
// panel: [>= 16 * last stop][16], one row block of a forward panel. x: [columns][stride], stride
// a multiple of 16. y: [stops][columns][16]. columns 1..kMaxFlowColumns. Cost: 32 * 16 * last stop
// * columns flops, and a quarter more vector instructions for the weights at 8 columns.
// Dispatched at run time; the sums are in a fixed order.
void FlowProduct(const float *panel, const double *x, std::int32_t columns, std::int64_t stride,
                 Stops stops, double *y);

}  // namespace trails::kernels
