// The product of a layer's transposed weights with the gradients of its rows: what the backward
// pass of one candidate mostly is.
//
// May touch: src/kernels, Google Highway.
#pragma once

#include "kernels/blocked.h"

namespace trails::kernels {

// The rows of a layer that a candidate has: `blocks` blocks, of which block j begins with units[j]
// (1..16) rows that are not padding.
struct RowBlocks {
  const std::int32_t *units;  // [blocks]
  std::int32_t blocks;
};

// y[k][b][i] = sum over the rows r of panel[k][r][i] * g[r / 16][b][r % 16], in float, for k <
// column_blocks. Padding rows are skipped, not multiplied.
//
// panel: a backward panel of panel_rows rows. g: [rows.blocks][batch][16].
// y: [column_blocks][batch][16]. Cost: 32 * rows * column_blocks * batch flops, at the CPU's peak
// but for loads. Dispatched at run time; the sums are in the order of the rows.
void BackwardProduct(const float *panel, std::int64_t panel_rows, const float *g, RowBlocks rows,
                     std::int32_t batch, std::int32_t column_blocks, float *y);

}  // namespace trails::kernels
