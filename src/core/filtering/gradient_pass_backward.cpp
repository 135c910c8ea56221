// The backward passes of one candidate.
//
// May touch: src/core/filtering, src/kernels.
#include <algorithm>
#include <cmath>

#include "core/filtering/gradient_pass.h"
#include "core/filtering/gradient_pass_spectrum.h"
#include "core/filtering/gradient_pass_work.h"
#include "kernels/batch_norm.h"
#include "kernels/block_norm.h"
#include "kernels/pair_gram.h"
#include "kernels/weight_gradient.h"

namespace trails {

using kernels::kBlock;

kernels::RowBlocks GradientPass::Rows(const Work &work, std::int32_t l) const noexcept {
  if (l > work.layers) {
    return {output_units_.data(), static_cast<std::int32_t>(output_units_.size())};
  }
  return {units_.data(), bank_.grid().blocks()[static_cast<std::size_t>(work.position(l))]};
}

std::int32_t GradientPass::FanIn(const Work &work, std::int32_t l) const noexcept {
  return l == 1 ? batch_.inputs : widths_[static_cast<std::size_t>(work.position(l - 1))];
}

std::int32_t GradientPass::BankLayer(const Work &work, std::int32_t l) const noexcept {
  return l > work.layers ? bank_.output_layer() : l;
}

GradientPass::Input GradientPass::InputOf(const Work &work, std::int32_t l) const noexcept {
  if (l == 1) {
    return {inputs_.data(), input_gram_.data(), nullptr, bank_.padded_columns(1) / kBlock};
  }
  const PrefixLayer &layer = work.layer(l - 1);
  const std::size_t pairs =
      static_cast<std::size_t>(work.position(l - 1)) * kernels::PairFloats(batch_.rows);
  return {layer.norm.hidden, layer.grams == nullptr ? nullptr : layer.grams + pairs,
          layer.crosses == nullptr ? nullptr : layer.crosses + pairs, Rows(work, l - 1).blocks};
}

void GradientPass::Multiply(const Work &work, std::int32_t l, const float *g, float *y) const {
  const std::int32_t layer = BankLayer(work, l);
  kernels::BackwardProduct(bank_.backward_panel(layer), bank_.padded_rows(layer), g, Rows(work, l),
                           batch_.rows, Rows(work, l - 1).blocks, y);
}

void GradientPass::AddWeights(std::int32_t l, const float *g, Work *work, Sums *sums) const {
  const kernels::RowBlocks rows = Rows(*work, l);
  const Input input = InputOf(*work, l);
  double squares = 0;
  if (plan_.tiles) {
    const std::int32_t layer = BankLayer(*work, l);
    const float *const panel = l == 1 ? input_weights_.data() : bank_.backward_panel(layer);
    const kernels::WeightGradientSums tiles = kernels::WeightGradient(
        g, rows, input.hidden, input.blocks, batch_.rows, panel, bank_.padded_rows(layer));
    sums->snip += WeightScale(FanIn(*work, l)) * tiles.products;
    squares = tiles.squares;
  }
  if ((plan_.weight_norms && !plan_.tiles) || plan_.tangent) {
    kernels::Gram(g, {&rows.blocks, 1}, batch_.rows, work->pairs.data());
    if (!plan_.tiles) {
      squares = std::max(0.0, kernels::PairDot(work->pairs.data(), input.gram, batch_.rows));
    }
    if (plan_.tangent && input.cross != nullptr) {
      sums->curvature += kernels::PairDot(work->pairs.data(), input.cross, batch_.rows);
    }
  }
  sums->norms += std::sqrt(squares);
  sums->squares += squares;
}

void GradientPass::FirstOrder(Work *work, Sums *sums) const {
  const double rows = batch_.rows;
  const OutputGradient &output = work->output;
  sums->plain = output.plain();
  sums->squares = output.bias_squares();
  sums->fisher = FanIn(*work, work->layers + 1) * 0.5 / rows * output.fisher();
  const float *g = output.gradient();
  AddWeights(work->layers + 1, g, work, sums);
  for (std::int32_t l = work->layers; l >= 1; --l) {
    float *const below = work->g[static_cast<std::size_t>(l)].data();
    Multiply(*work, l + 1, g, below);
    const auto scale = static_cast<float>(WeightScale(FanIn(*work, l + 1)));
    const kernels::NormSums norm =
        kernels::NormBackward(work->layer(l).norm, scale, Rows(*work, l).blocks, batch_.rows,
                              plan_.fisher, work->means(l), below);
    sums->plain += rows * static_cast<double>(kernels::kBatchNormEps) * norm.gain;
    sums->squares += rows * rows * (norm.gammas + norm.betas);
    sums->fisher += FanIn(*work, l) * 0.5 / rows * norm.fisher;
    AddWeights(l, below, work, sums);
    g = below;
  }
}

void GradientPass::AddTangent(std::int32_t l, const float *g, const float *dg, Work *work,
                              Sums *sums) const {
  const kernels::RowBlocks rows = Rows(*work, l);
  kernels::CrossGram(g, dg, {&rows.blocks, 1}, batch_.rows, work->pairs.data());
  sums->curvature += kernels::PairDot(work->pairs.data(), InputOf(*work, l).gram, batch_.rows);
}

void GradientPass::Grasp(Work *work, Sums *sums) const {
  const OutputGradient &output = work->output;
  AddTangent(work->layers + 1, output.gradient(), output.tangent(), work, sums);
  // The derivative of W' g along W is W' (g + dg).
  const float *above = output.pushed();
  for (std::int32_t l = work->layers; l >= 1; --l) {
    const float *const g = work->g[static_cast<std::size_t>(l)].data();
    float *const pushed = work->pushed[static_cast<std::size_t>(l % 2)].data();
    Multiply(*work, l + 1, above, pushed);
    const auto scale = static_cast<float>(WeightScale(FanIn(*work, l + 1)));
    kernels::NormBackwardTangent(work->layer(l).norm, scale, Rows(*work, l).blocks, batch_.rows,
                                 work->means(l), g, pushed, work->dg.data());
    AddTangent(l, g, work->dg.data(), work, sums);
    above = pushed;
  }
}

void GradientPass::AddToKernel(std::int32_t l, const float *g, Work *work) const {
  const kernels::RowBlocks rows = Rows(*work, l);
  const float *const gram = InputOf(*work, l).gram;
  float *const pairs = work->pairs.data();
  float *const kernel = work->kernel.data();
  kernels::Gram(g, {&rows.blocks, 1}, batch_.rows, pairs);
  for (std::size_t i = 0; i < work->kernel.size(); ++i) kernel[i] += pairs[i] * (gram[i] + 1.0f);
}

void GradientPass::Kernel(Work *work, Sums *sums) const {
  std::fill(work->kernel.data(), work->kernel.data() + work->kernel.size(), 0.0f);
  work->output.OfOwnOutput(batch_);
  const float *g = work->output.gradient();
  AddToKernel(work->layers + 1, g, work);
  for (std::int32_t l = work->layers; l >= 1; --l) {
    float *const below = work->g[static_cast<std::size_t>(l)].data();
    Multiply(*work, l + 1, g, below);
    const auto scale = static_cast<float>(WeightScale(FanIn(*work, l + 1)));
    kernels::NormBackward(work->layer(l).norm, scale, Rows(*work, l).blocks, batch_.rows, false,
                          {nullptr, nullptr}, below);
    AddToKernel(l, below, work);
    g = below;
  }
  for (std::int32_t i = 0; i < batch_.rows; ++i) {
    sums->trace += static_cast<double>(work->kernel.data()[kernels::PairIndex(i, i)]);
  }
  if (plan_.condition) sums->condition = ConditionNumber(work->kernel.data(), batch_.rows);
}

}  // namespace trails
