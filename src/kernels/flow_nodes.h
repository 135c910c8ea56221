// What candidates that begin alike share of the flows besides their layers, and their scores: the
// formulas of core/filtering/flow_pass.h, at one width.
//
// May touch: the CUDA runtime, src/kernels.
#pragma once

#include <cstdint>

#include "kernels/flow_columns.h"
#include "kernels/trie_layer.h"

struct CUstream_st;

namespace trails::kernels {

inline constexpr std::int32_t kMaxFlowLayers = 8;

// A path of `layers` widths.
struct FlowNode {
  double scale = 1;                   // WeightScale of the inputs and of each width
  double bias_scale = 1;              // of the next layer: 1 / the scale without the last width
  double inverse_lengths = 0;         // 1 / (length + 1e-6), summed over the layers
  double gains[kMaxFlowLayers] = {};  // width / (length + 1e-6)
};

// The layer whose widths are to be chosen.
struct FlowLayerFacts {
  std::int32_t layer;  // 1 .. kMaxFlowLayers
  FlowsAsked asked;
  FlowColumns columns;
};

// A width of that layer: its units, WeightScale of it as a fan-in, and what the biases of its units
// send to all outputs.
struct FlowWidth {
  double units;
  double weight_scale;
  double bias_outflow;
};

struct FlowScores {
  double synflow = 0;
  double express_flow = 0;
};

// The node that chooses this width, whose sums over rows are sums [columns.sums].
FlowNode LongerNode(const FlowNode &node, const FlowLayerFacts &facts, const FlowWidth &width,
                    const double *sums) noexcept;
// The scores of the candidate that ends with this width; those not asked for stay 0. What is not
// finite is +infinity.
FlowScores ScoresOf(const FlowNode &node, const FlowLayerFacts &facts, const FlowWidth &width,
                    const double *sums) noexcept;

// Widths of a layer for many nodes, and sums [nodes][widths][columns.sums].
struct TrieFlowWidths {
  FlowLayerFacts facts;
  const FlowNode *nodes;
  const double *sums;
  const double *units;         // [widths]
  const double *weight_scale;  // [widths]
  const double *bias_outflow;  // [widths]
  std::int32_t widths;
};

// children[i]: the node of path prefixes[i], or i where prefixes is null; path = node * widths +
// width. In device memory, queued on `stream`: LongerNode but for the last bits.
// Throws Error(kDevice) when the launch is refused. Cost: some 200 bytes a child.
void LongerNodesCuda(const TrieFlowWidths &of, const std::int32_t *prefixes, std::int64_t children,
                     FlowNode *longer, CUstream_st *stream);
// Scores of all leaves into synflow and express_flow, [candidates], as far as they are asked for;
// ScoresOf but for the last bits. Throws Error(kDevice). Cost: some 150 bytes a candidate.
void FlowScoresCuda(const TrieFlowWidths &of, const TrieLeaves &leaves, double *synflow,
                    double *express_flow, CUstream_st *stream);

}  // namespace trails::kernels
