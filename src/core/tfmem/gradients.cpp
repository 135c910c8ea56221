// The TFMEMs of the loss's gradient on one mini-batch.
//
// May touch: Torch, src/core/filtering.
#include "core/tfmem/definitions.h"
#include "trails/error.h"

namespace trails {
namespace {

double Grasp(const DirectNetwork &network, const at::Tensor &loss) {
  const std::vector<at::Tensor> g = Gradients(loss, network.weight, /*differentiable=*/true);
  // The gradient of <g held fixed, g> is H g.
  at::Tensor product;
  for (const at::Tensor &layer : g) {
    const at::Tensor term = layer.detach().mul(layer).sum();
    product = product.defined() ? product.add(term) : term;
  }
  const std::vector<at::Tensor> hessian_g = Gradients(product, network.weight);
  double score = 0;
  for (std::size_t layer = 0; layer < hessian_g.size(); ++layer) {
    score -= network.weight[layer].mul(hessian_g[layer]).sum().item<double>();
  }
  return score;
}

double Fisher(const ForwardPass &pass, const at::Tensor &loss) {
  const std::vector<at::Tensor> d = Gradients(loss, pass.linear);
  double score = 0;
  for (std::size_t layer = 0; layer < d.size(); ++layer) {
    const at::Tensor of_units = pass.linear[layer].mul(d[layer]).square().mean(0).sum();
    score += 0.5 * static_cast<double>(pass.input[layer].size(1)) * of_units.item<double>();
  }
  return score;
}

double MeanSquaredGradient(const DirectNetwork &network, const at::Tensor &loss) {
  double squares = 0;
  const std::vector<at::Tensor> gradients = Gradients(loss, network.Parameters());
  for (const at::Tensor &gradient : gradients) squares += gradient.square().sum().item<double>();
  return squares / static_cast<double>(gradients.size());
}

// What one layer adds to a score of W and g alone.
double OfLayer(Tfmem tfmem, const at::Tensor &weight, const at::Tensor &g) {
  switch (tfmem) {
    case Tfmem::kGradNorm: return g.norm().item<double>();
    case Tfmem::kGradPlain: return weight.mul(g).sum().item<double>();
    case Tfmem::kSnip: return weight.mul(g).abs().sum().item<double>();
    default: throw Error(ErrorKind::kInternal, "not a gradient TFMEM: " + std::string(Name(tfmem)));
  }
}

}  // namespace

double GradientScore(Tfmem tfmem, const DirectNetwork &network, const DirectBatch &batch) {
  const ForwardPass pass = Forward(network, batch.x);
  const at::Tensor loss = Loss(pass.outputs(), batch);
  if (tfmem == Tfmem::kGrasp) return Grasp(network, loss);
  if (tfmem == Tfmem::kFisher) return Fisher(pass, loss);
  if (tfmem == Tfmem::kNtkTraceApprox) return MeanSquaredGradient(network, loss);
  const std::vector<at::Tensor> g = Gradients(loss, network.weight);
  double score = 0;
  for (std::size_t layer = 0; layer < g.size(); ++layer) {
    score += OfLayer(tfmem, network.weight[layer], g[layer]);
  }
  return score;
}

}  // namespace trails
