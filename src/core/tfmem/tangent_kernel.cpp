// The TFMEMs of the neural tangent kernel T of one mini-batch.
//
// May touch: Torch, src/core/filtering.
#include <ATen/ops/linalg_eigvalsh.h>

#include <cmath>
#include <limits>

#include "core/filtering/trie_pass.h"
#include "core/tfmem/definitions.h"

namespace trails {
namespace {

// T [rows, rows], without the gradients of single weights: that of row n in W_l is the outer
// product of D_l[n] and h_{l-1}[n], so that two rows' product is a product of two small ones.
at::Tensor TangentKernel(const DirectNetwork &network, const DirectBatch &batch) {
  const ForwardPass pass = Forward(network, batch.x);
  const std::vector<at::Tensor> d = Gradients(SumOfTrueOutputs(pass.outputs(), batch), pass.linear);
  at::Tensor kernel;
  for (std::size_t layer = 0; layer < d.size(); ++layer) {
    const at::Tensor h = pass.input[layer].detach();
    const at::Tensor of_layer = d[layer].mm(d[layer].t()).mul(h.mm(h.t()).add(1));
    kernel = kernel.defined() ? kernel.add(of_layer) : of_layer;
  }
  return kernel;
}

}  // namespace

double NtkTrace(const DirectNetwork &network, const DirectBatch &batch) {
  const double trace = TangentKernel(network, batch).trace().item<double>();
  return std::sqrt(trace / static_cast<double>(batch.rows()));
}

double NtkConditionNumber(const DirectNetwork &network, const DirectBatch &batch) {
  const at::Tensor kernel = TangentKernel(network, batch);
  if (!kernel.isfinite().all().item<bool>()) return kInvalidScore;
  const double epsilon = kernel.scalar_type() == at::kDouble
                             ? std::numeric_limits<double>::epsilon()
                             : static_cast<double>(std::numeric_limits<float>::epsilon());
  const at::Tensor eigenvalues = at::linalg_eigvalsh(kernel);  // ascending
  const double smallest = eigenvalues[0].item<double>();
  const double largest = eigenvalues[-1].item<double>();
  const bool is_noise = !(smallest > largest * epsilon * static_cast<double>(batch.rows()));
  return is_noise ? kInvalidScore : largest / smallest;
}

}  // namespace trails
