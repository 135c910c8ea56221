#include <cuda_runtime.h>

#include <cmath>

#include "kernels/flow_nodes.h"
#include "kernels/launch.h"
#include "kernels/trie_index.h"

namespace trails::kernels {

namespace {

constexpr double kInputRows = 4;
constexpr double kPerturbationSize = 1e-5;
constexpr double kLengthFloor = 1e-6;

// A path of the trie: the node and the width at its end.
struct Path {
  const FlowNode *node;
  int width;
  const double *sums;
};

__device__ __forceinline__ Path PathAt(const TrieFlowWidths &of, std::int64_t path) {
  return {of.nodes + path / of.widths, static_cast<int>(path % of.widths),
          of.sums + path * of.facts.columns.sums};
}

__device__ __forceinline__ double InverseLength(const Path &path, const FlowColumns &columns) {
  const double squares = path.sums[columns.perturbed + 1];
  return 1.0 / (sqrt(squares) * path.node->scale / kPerturbationSize + kLengthFloor);
}

__device__ __forceinline__ double Finite(double score) {
  return isfinite(score) ? score : static_cast<double>(INFINITY);
}

__global__ void __launch_bounds__(kThreads)
    LongerNodesKernel(TrieFlowWidths of, const std::int32_t *prefixes, std::int64_t children,
                      FlowNode *longer) {
  const std::int64_t child = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (child >= children) return;
  const Path path = PathAt(of, prefixes != nullptr ? prefixes[child] : child);
  const FlowNode &node = *path.node;
  FlowNode &out = longer[child];
  for (int layer = 0; layer < of.facts.layer - 1; ++layer) out.gains[layer] = node.gains[layer];
  out.bias_scale = 1.0 / node.scale;
  out.scale = node.scale * of.weight_scale[path.width];
  out.inverse_lengths = node.inverse_lengths;
  if (of.facts.asked.express_flow) {
    const double inverse = InverseLength(path, of.facts.columns);
    out.inverse_lengths += inverse;
    out.gains[of.facts.layer - 1] = of.units[path.width] * inverse;
  }
}

__device__ __forceinline__ double Synflow(const TrieFlowWidths &of, const Path &path, double scale,
                                          double biases) {
  const FlowColumns &columns = of.facts.columns;
  const int l = of.facts.layer;
  const double missed = (columns.missed >= 0 ? path.sums[columns.missed] : 0.0) + l * biases;
  return Finite(kInputRows * scale * ((l + 1) * (path.sums[0] + biases) - missed));
}

__device__ __forceinline__ double ExpressFlow(const TrieFlowWidths &of, const Path &path,
                                              double scale, double biases) {
  const FlowColumns &columns = of.facts.columns;
  const int l = of.facts.layer;
  const double perturbation = path.sums[columns.perturbed];
  const double inverse = InverseLength(path, columns);
  double score =
      of.units[path.width] * inverse * (kInputRows * (path.sums[0] + biases) + perturbation);
  for (int m = 1; m < l; ++m) {
    const double flow = m == l - 1 ? path.sums[0] : path.sums[columns.flows + m - 1];
    score += path.node->gains[m - 1] * (kInputRows * flow + perturbation);
  }
  return Finite(scale * score / (path.node->inverse_lengths + inverse));
}

__global__ void __launch_bounds__(kThreads)
    FlowScoresKernel(TrieFlowWidths of, TrieLeaves leaves, double *synflow, double *express_flow) {
  const std::int64_t leaf = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (leaf >= leaves.count) return;
  const Path path = PathAt(of, PathOf(leaves, leaf));
  const std::int64_t candidate = CandidateOf(leaves, leaf);
  const double scale = path.node->scale * of.weight_scale[path.width];
  const double biases = of.bias_outflow[path.width] * path.node->bias_scale;
  if (of.facts.asked.synflow) synflow[candidate] = Synflow(of, path, scale, biases);
  if (of.facts.asked.express_flow) express_flow[candidate] = ExpressFlow(of, path, scale, biases);
}

}  // namespace

void LongerNodesCuda(const TrieFlowWidths &of, const std::int32_t *prefixes, std::int64_t children,
                     FlowNode *longer, CUstream_st *stream) {
  if (children == 0) return;
  Launch(LongerNodesKernel, BlocksFor(children), kThreads, stream, of, prefixes, children, longer);
}

void FlowScoresCuda(const TrieFlowWidths &of, const TrieLeaves &leaves, double *synflow,
                    double *express_flow, CUstream_st *stream) {
  if (leaves.count == 0) return;
  Launch(FlowScoresKernel, BlocksFor(leaves.count), kThreads, stream, of, leaves, synflow,
         express_flow);
}

}  // namespace trails::kernels
