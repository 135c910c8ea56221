#include "core/tfmem/network.h"

#include <ATen/ops/from_blob.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/autograd.h>

#include "trails/error.h"

namespace trails {
namespace {

constexpr double kBatchNormEpsilon = 1e-5;  // as in Torch and in kernels/batch_norm.h

// A copy of `values` in the shape of `sizes`.
template <typename T>
at::Tensor Copy(const std::vector<T> &values, at::IntArrayRef sizes, at::ScalarType stored,
                at::ScalarType precision) {
  // from_blob wants a pointer to what it may write to; the copy is what is kept.
  return at::from_blob(const_cast<T *>(values.data()), sizes, at::TensorOptions().dtype(stored))
      .to(precision, /*non_blocking=*/false, /*copy=*/true);
}

DirectNetwork LoadWeights(const InitialWeights &weights, at::ScalarType precision) {
  DirectNetwork network;
  for (std::size_t layer = 0; layer < weights.weight.size(); ++layer) {
    const std::int64_t in = weights.dims[layer], out = weights.dims[layer + 1];
    network.weight.push_back(Copy(weights.weight[layer], {out, in}, at::kDouble, precision));
    network.bias.push_back(Copy(weights.bias[layer], {out}, at::kDouble, precision));
  }
  return network;
}

void RequireGradients(DirectNetwork *network) {
  for (const at::Tensor &parameter : network->Parameters()) parameter.requires_grad_(true);
}

at::Tensor NormaliseOverBatch(const at::Tensor &a, const at::Tensor &gamma,
                              const at::Tensor &beta) {
  const at::Tensor centred = a.sub(a.mean(0));
  const at::Tensor variance = centred.square().mean(0);
  return centred.div(variance.add(kBatchNormEpsilon).sqrt()).mul(gamma).add(beta);
}

void ExpectEntries(std::size_t entries, std::int64_t expected) {
  if (entries == static_cast<std::size_t>(expected)) return;
  throw Error(ErrorKind::kInternal, "the mini-batch does not have the rows that it states");
}

}  // namespace

std::vector<at::Tensor> DirectNetwork::Parameters() const {
  std::vector<at::Tensor> parameters;
  for (std::size_t layer = 0; layer < weight.size(); ++layer) {
    parameters.push_back(weight[layer]);
    parameters.push_back(bias[layer]);
    if (layer < gamma.size()) {
      parameters.push_back(gamma[layer]);
      parameters.push_back(beta[layer]);
    }
  }
  return parameters;
}

DirectNetwork MakeNetwork(const InitialWeights &weights, at::ScalarType precision,
                          bool batch_norm) {
  DirectNetwork network = LoadWeights(weights, precision);
  for (std::size_t layer = 0; batch_norm && layer + 1 < network.weight.size(); ++layer) {
    const std::int64_t width = weights.dims[layer + 1];
    network.gamma.push_back(at::ones({width}, at::TensorOptions().dtype(precision)));
    network.beta.push_back(at::zeros({width}, at::TensorOptions().dtype(precision)));
  }
  RequireGradients(&network);
  return network;
}

DirectNetwork MakeAbsoluteNetwork(const InitialWeights &weights, at::ScalarType precision) {
  DirectNetwork network = LoadWeights(weights, precision);
  for (at::Tensor &weight : network.weight) weight.abs_();
  for (at::Tensor &bias : network.bias) bias.abs_();
  RequireGradients(&network);
  return network;
}

DirectBatch DirectBatch::Slice(std::int64_t first, std::int64_t count) const {
  DirectBatch slice;
  slice.x = x.narrow(0, first, count);
  if (labels.defined()) slice.labels = labels.narrow(0, first, count);
  if (targets.defined()) slice.targets = targets.narrow(0, first, count);
  return slice;
}

bool DirectBatch::RowsDiffer() const {
  return rows() > 1 && x.ne(x.narrow(0, 0, 1)).any().item<bool>();
}

DirectBatch MakeBatch(const ScoringBatch &batch, const std::vector<double> &exact_inputs,
                      at::ScalarType precision) {
  const std::int64_t rows = batch.rows, inputs = batch.inputs;
  DirectBatch made;
  if (exact_inputs.empty()) {
    ExpectEntries(batch.x.size(), rows * inputs);
    made.x = Copy(batch.x, {rows, inputs}, at::kFloat, precision);
  } else {
    ExpectEntries(exact_inputs.size(), rows * inputs);
    made.x = Copy(exact_inputs, {rows, inputs}, at::kDouble, precision);
  }
  if (batch.regression) {
    ExpectEntries(batch.targets.size(), rows);
    made.targets = Copy(batch.targets, {rows}, at::kFloat, precision);
  } else {
    ExpectEntries(batch.labels.size(), rows);
    made.labels = Copy(batch.labels, {rows, 1}, at::kInt, at::kLong);
  }
  return made;
}

ForwardPass Forward(const DirectNetwork &network, const at::Tensor &x) {
  ForwardPass pass;
  at::Tensor h = x;
  for (std::size_t layer = 0; layer < network.weight.size(); ++layer) {
    pass.input.push_back(h);
    pass.linear.push_back(h.mm(network.weight[layer].t()).add(network.bias[layer]));
    if (layer + 1 == network.weight.size()) break;
    const at::Tensor &a = pass.linear.back();
    pass.pre_activation.push_back(
        network.batch_norm() ? NormaliseOverBatch(a, network.gamma[layer], network.beta[layer])
                             : a);
    h = pass.pre_activation.back().relu();
  }
  return pass;
}

at::Tensor Loss(const at::Tensor &outputs, const DirectBatch &batch) {
  if (batch.targets.defined()) return outputs.squeeze(1).sub(batch.targets).square().mean();
  return outputs.log_softmax(1).gather(1, batch.labels).mean().neg();
}

at::Tensor SumOfTrueOutputs(const at::Tensor &outputs, const DirectBatch &batch) {
  return batch.labels.defined() ? outputs.gather(1, batch.labels).sum() : outputs.sum();
}

std::vector<at::Tensor> Gradients(const at::Tensor &scalar, const std::vector<at::Tensor> &of,
                                  bool differentiable) {
  std::vector<at::Tensor> gradients =
      torch::autograd::grad({scalar}, of, /*grad_outputs=*/{}, /*retain_graph=*/differentiable,
                            /*create_graph=*/differentiable, /*allow_unused=*/true);
  for (std::size_t i = 0; i < of.size(); ++i) {
    if (!gradients[i].defined()) gradients[i] = at::zeros_like(of[i]);
  }
  return gradients;
}

}  // namespace trails
