// Flows through the absolute weights of one layer for many prefixes at once, stopped at every width
// of the layer before: kernels/flow_product.h and kernels/flow_sums.h, for a tile of prefixes.
//
// In double: scores of flows are compared to 1e-9. The weights stay the floats of the forward
// panel.
//
// May touch: the CUDA runtime, src/kernels.
#pragma once

#include <cstdint>

#include "kernels/flow_columns.h"
#include "kernels/flow_nodes.h"
#include "kernels/trie_layer.h"

struct CUstream_st;

namespace trails::kernels {

struct TrieFlows {
  const double *x;  // [inputs][columns.count][16 * column_blocks]
  std::int32_t layer;
  FlowColumns columns;       // of this layer
  FlowColumns next_columns;  // of the next
  const FlowNode *nodes;     // [inputs]: biases are scaled by 1 / scale; null: by 1, layer 1
  const double *bias;        // [16 * row_blocks]: |c| / sqrt(6)
  const double *outflow;     // [16 * row_blocks]: what a unit sends to all outputs
  double *next;      // [outputs][next_columns.count][16 * row_blocks]: the next layer's x; or null
  double *row_sums;  // [outputs][row_blocks][columns.sums]: of each block of 16 rows
};

// Sums over the rows of the first units, for each width of this layer.
struct TrieFlowSums {
  const double *row_sums;  // [outputs][row_blocks][numbers]
  std::int64_t outputs;
  std::int32_t row_blocks;
  std::int32_t numbers;             // columns.sums
  const std::int32_t *stop_blocks;  // [widths]
  std::int32_t widths;
  double *sums;  // [outputs][widths][numbers]
};

// The specification: FlowProduct, and the next layer's columns as core/filtering/flow_layer.h has
// them; the sums of 16 rows leave the biases out.
void TrieFlowsCpu(const TrieLayer &layer, const TrieFlows &of);
void TrieFlowSumsCpu(const TrieFlowSums &of);

// The same in device memory, queued on `stream`: `next` has the same bits where the CPU has FMA
// instructions, sums agree to 1e-13. Throws Error(kDevice) when a launch is refused.
// Cost: 2 * units * columns flops (rounded up to 4, 8 or 12 columns) in double for each unit of the
// inputs up to the last stop; x is read from L2 once a block of 64 units.
void TrieFlowsCuda(const TrieLayer &layer, const TrieFlows &of, CUstream_st *stream);
void TrieFlowSumsCuda(const TrieFlowSums &of, CUstream_st *stream);

}  // namespace trails::kernels
