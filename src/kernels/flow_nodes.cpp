// May touch: src/kernels.
#include "kernels/flow_nodes.h"

#include <cmath>
#include <limits>

namespace trails::kernels {
namespace {

constexpr double kInputRows = 4;  // rows of ones that the definitions send through the network
constexpr double kPerturbationSize = 1e-5;
constexpr double kLengthFloor = 1e-6;

double Finite(double score) noexcept {
  return std::isfinite(score) ? score : std::numeric_limits<double>::infinity();
}

// 1 / (length + 1e-6) of the layer, for the width with these sums.
double InverseLength(const FlowNode &node, const FlowLayerFacts &facts,
                     const double *sums) noexcept {
  const double squares = sums[facts.columns.perturbed + 1];
  return 1.0 / (std::sqrt(squares) * node.scale / kPerturbationSize + kLengthFloor);
}

}  // namespace

FlowNode LongerNode(const FlowNode &node, const FlowLayerFacts &facts, const FlowWidth &width,
                    const double *sums) noexcept {
  FlowNode longer = node;
  longer.bias_scale = 1.0 / node.scale;
  longer.scale = node.scale * width.weight_scale;
  if (facts.asked.express_flow) {
    const double inverse = InverseLength(node, facts, sums);
    longer.inverse_lengths += inverse;
    longer.gains[facts.layer - 1] = width.units * inverse;
  }
  return longer;
}

FlowScores ScoresOf(const FlowNode &node, const FlowLayerFacts &facts, const FlowWidth &width,
                    const double *sums) noexcept {
  const FlowColumns &columns = facts.columns;
  const std::int32_t l = facts.layer;
  const double scale = node.scale * width.weight_scale;
  const double biases = width.bias_outflow * node.bias_scale;
  const double activations = sums[0] + biases;
  FlowScores scores;
  if (facts.asked.synflow) {
    const double missed = (columns.missed >= 0 ? sums[columns.missed] : 0.0) + l * biases;
    scores.synflow = Finite(kInputRows * scale * ((l + 1) * activations - missed));
  }
  if (facts.asked.express_flow) {
    const double perturbation = sums[columns.perturbed];
    const double inverse = InverseLength(node, facts, sums);
    double score = width.units * inverse * (kInputRows * activations + perturbation);
    for (std::int32_t m = 1; m < l; ++m) {
      const double flow = m == l - 1 ? sums[0] : sums[columns.flows + m - 1];
      score += node.gains[m - 1] * (kInputRows * flow + perturbation);
    }
    scores.express_flow = Finite(scale * score / (node.inverse_lengths + inverse));
  }
  return scores;
}

}  // namespace trails::kernels
