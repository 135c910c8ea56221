// The TFMEMs that need no data: norms of the weights, and flows through their absolute values.
//
// May touch: Torch, src/core/filtering.
#include <ATen/ops/ones.h>

#include "core/tfmem/definitions.h"

namespace trails {
namespace {

constexpr double kPerturbation = 1e-5;  // how far express_flow moves the input
constexpr double kShortest = 1e-6;      // added to a length, so that none divides by zero

ForwardPass PassOfOnes(const DirectNetwork &network) {
  const at::Tensor &first = network.weight.front();
  return Forward(network, at::ones({kOnesRows, first.size(1)}, first.options()));
}

}  // namespace

double WeightNormOf(const DirectNetwork &network) {
  double norm = 0;
  for (const at::Tensor &weight : network.weight) norm += weight.norm().item<double>();
  return norm;
}

double SynflowOf(const DirectNetwork &network) {
  const std::vector<at::Tensor> g = Gradients(PassOfOnes(network).outputs().sum(), network.weight);
  double score = 0;
  for (std::size_t layer = 0; layer < g.size(); ++layer) {
    score += network.weight[layer].mul(g[layer]).sum().item<double>();
  }
  return score;
}

double ExpressFlowOf(const DirectNetwork &network, const at::Tensor &perturbation) {
  const ForwardPass pass = PassOfOnes(network);
  const std::vector<at::Tensor> h(pass.input.begin() + 1, pass.input.end());
  const std::vector<at::Tensor> g = Gradients(pass.outputs().sum(), h);
  // Nothing here is ever negative, so that ReLU lets everything through and the perturbation takes
  // the linear map: no difference of two passes, of which rounding would take most digits. It is
  // scaled in float, as published.
  at::Tensor moved = perturbation.mul(static_cast<float>(kPerturbation));
  moved = moved.to(network.weight.front().scalar_type());
  double weighted = 0, total = 0;
  for (std::size_t layer = 0; layer < h.size(); ++layer) {
    moved = moved.mm(network.weight[layer].detach().t());
    const double flow = h[layer].add(moved).mul(g[layer]).sum().item<double>();
    const double weight = 1 / (moved.norm().item<double>() / kPerturbation + kShortest);
    weighted += weight * static_cast<double>(h[layer].size(1)) * flow;
    total += weight;
  }
  return weighted / total;
}

}  // namespace trails
