// A candidate at initialisation as tensors, and passes through it that autograd can follow back.
//
// May touch: Torch, src/core/filtering.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "core/filtering/scoring_batch.h"
#include "core/filtering/tfmem.h"

namespace trails {

// Every tensor requires a gradient. gamma and beta are empty without batch normalisation.
struct DirectNetwork {
  std::vector<at::Tensor> weight;  // [layer] [out, in]
  std::vector<at::Tensor> bias;    // [layer] [out]
  std::vector<at::Tensor> gamma;   // [hidden layer] [out], ones
  std::vector<at::Tensor> beta;    // [hidden layer] [out], zeros

  bool batch_norm() const noexcept { return !gamma.empty(); }
  // W, b, gamma, beta of the first layer, of the second, ...; W, b of the last.
  std::vector<at::Tensor> Parameters() const;
};

DirectNetwork MakeNetwork(const InitialWeights &weights, at::ScalarType precision, bool batch_norm);
// The network of the flows: |W|, |b|, no batch normalisation.
DirectNetwork MakeAbsoluteNetwork(const InitialWeights &weights, at::ScalarType precision);

// Rows to score on.
struct DirectBatch {
  at::Tensor x;        // [rows, inputs]
  at::Tensor labels;   // [rows, 1] class index, int64; undefined for regression
  at::Tensor targets;  // [rows]; undefined for classes

  std::int64_t rows() const { return x.size(0); }
  DirectBatch Slice(std::int64_t first, std::int64_t count) const;
  // Two rows differ: else batch normalisation has nothing to normalise.
  bool RowsDiffer() const;
};

// exact_inputs: DirectOptions::inputs. Throws Error(kInternal) when a length does not fit.
DirectBatch MakeBatch(const ScoringBatch &batch, const std::vector<double> &exact_inputs,
                      at::ScalarType precision);

// One pass forward: h_{l-1}, a_l and y_l of direct.h.
struct ForwardPass {
  std::vector<at::Tensor> input;           // [layer] [rows, in]
  std::vector<at::Tensor> linear;          // [layer] [rows, out]
  std::vector<at::Tensor> pre_activation;  // [hidden layer] [rows, out]

  const at::Tensor &outputs() const { return linear.back(); }
};
ForwardPass Forward(const DirectNetwork &network, const at::Tensor &x);

// Mean cross entropy, or mean squared error for regression; a scalar.
at::Tensor Loss(const at::Tensor &outputs, const DirectBatch &batch);
// The sum over the rows of the output of the row's own class, of the only output for regression.
at::Tensor SumOfTrueOutputs(const at::Tensor &outputs, const DirectBatch &batch);

// d scalar / d each of `of`, zero where it does not depend on it. With `differentiable` the
// gradients can be differentiated again, else the pass is used up.
std::vector<at::Tensor> Gradients(const at::Tensor &scalar, const std::vector<at::Tensor> &of,
                                  bool differentiable = false);

}  // namespace trails
