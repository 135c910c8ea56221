// The walk over the trie: what is computed once for a prefix, and when a candidate is scored.
//
// May touch: src/core/filtering, src/core/space, src/kernels.
#include "core/filtering/gradient_pass.h"

#include <algorithm>
#include <cmath>

#include "core/filtering/gradient_pass_work.h"
#include "kernels/pair_gram.h"
#include "kernels/stopped_product.h"

namespace trails {

using kernels::kBlock;

namespace {

bool RowsDiffer(const ScoringBatch &batch) {
  // Each number against that of the row before.
  return !std::equal(batch.x.begin() + batch.inputs, batch.x.end(), batch.x.begin());
}

}  // namespace

std::span<double> *GradientScores::Find(Tfmem tfmem) noexcept {
  switch (tfmem) {
    case Tfmem::kGradNorm: return &grad_norm;
    case Tfmem::kGradPlain: return &grad_plain;
    case Tfmem::kSnip: return &snip;
    case Tfmem::kFisher: return &fisher;
    case Tfmem::kGrasp: return &grasp;
    case Tfmem::kNtkTrace: return &ntk_trace;
    case Tfmem::kNtkCondNum: return &ntk_cond_num;
    case Tfmem::kNtkTraceApprox: return &ntk_trace_approx;
    default: return nullptr;
  }
}

GradientPass::Plan GradientPass::PlanFor(const GradientScores &scores) noexcept {
  Plan plan;
  plan.tiles = !scores.snip.empty();
  plan.weight_norms = !scores.grad_norm.empty() || !scores.ntk_trace_approx.empty();
  plan.fisher = !scores.fisher.empty();
  plan.tangent = !scores.grasp.empty();
  plan.condition = !scores.ntk_cond_num.empty();
  plan.kernel = plan.condition || !scores.ntk_trace.empty();
  plan.first_order =
      plan.tiles || plan.weight_norms || plan.fisher || plan.tangent || !scores.grad_plain.empty();
  return plan;
}

GradientLayerParts GradientPass::Plan::layer_parts() const noexcept {
  return {(weight_norms && !tiles) || tangent || kernel, tangent};
}

GradientPass::GradientPass(const WeightBank &bank, const SearchSpace &space,
                           const ScoringBatch &batch, const GradientScores &scores)
    : bank_(bank),
      batch_(batch),
      scores_(scores),
      plan_(PlanFor(scores)),
      rows_differ_(RowsDiffer(batch)),
      min_layers_(space.min_layers),
      max_layers_(space.max_layers),
      index_(space),
      forward_(bank, batch.rows, plan_.layer_parts()),
      widths_(space.widths),
      units_(static_cast<std::size_t>(bank.grid().blocks().back())),
      output_units_(static_cast<std::size_t>(bank.padded_rows(bank.output_layer()) / kBlock)) {
  // The units of a block stand before its padding.
  for (const std::int32_t slot : bank.grid().slot_of_unit()) {
    ++units_[static_cast<std::size_t>(slot / kBlock)];
  }
  for (std::int32_t output = 0; output < bank.outputs(); ++output) {
    ++output_units_[static_cast<std::size_t>(output / kBlock)];
  }
}

std::int64_t GradientPass::Bytes(const SearchSpace &space, std::int32_t inputs,
                                 std::int32_t outputs, std::int32_t rows,
                                 std::int32_t threads) noexcept {
  const std::int64_t widths = std::ssize(space.widths);
  const std::int64_t slots = UnitGrid::Slots(space.widths);
  const std::int64_t prefix = GradientLayer::Bytes(widths, slots, rows);
  const auto pairs = static_cast<std::int64_t>(kernels::PairFloats(rows));
  const auto padded = [](std::int64_t units) { return (units + kBlock - 1) / kBlock * kBlock; };
  const auto bytes = [](std::int64_t floats) { return floats * std::int64_t{sizeof(float)}; };

  const std::int64_t shared =
      prefix * (1 + widths) + bytes(padded(inputs) * (rows + slots) + pairs);
  // Of the layers from 3 on; g, the means and three more arrays like g; a layer's and the outputs'
  // products; G, dG and G + dG.
  const std::int64_t deeper = std::max(0, space.max_layers - 3);
  const std::int64_t levels = prefix * ((space.max_layers > 2 ? 1 : 0) + deeper * widths);
  const std::int64_t layers = space.max_layers;
  const std::int64_t scratch = (layers + 4) * slots * rows + 2 * layers * slots +
                               widths * rows * (kBlock + 2 * padded(outputs)) +
                               3 * padded(outputs) * rows + 2 * pairs;
  return shared + threads * (levels + bytes(scratch));
}

kernels::Stops GradientPass::AllWidths() const noexcept {
  return {bank_.grid().blocks().data(), bank_.grid().count()};
}

void GradientPass::TransposeInputWeights() {
  const std::int64_t rows = bank_.padded_rows(1);
  const std::int64_t columns = bank_.padded_columns(1);
  const float *const panel = bank_.forward_panel(1);
  input_weights_ = AlignedFloats(static_cast<std::size_t>(rows * columns));
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t k = 0; k < columns; ++k) {
      input_weights_.data()[(k / kBlock * rows + r) * kBlock + k % kBlock] =
          panel[(r / kBlock * columns + k) * kBlock + r % kBlock];
    }
  }
}

void GradientPass::Prepare(const Interrupt &interrupt) {
  const GradientLayerParts parts = plan_.layer_parts();
  const std::int32_t columns = bank_.padded_columns(1);
  const std::int32_t blocks = columns / kBlock;
  const auto rows = static_cast<std::size_t>(batch_.rows);
  inputs_ = AlignedFloats(static_cast<std::size_t>(columns) * rows);
  const auto inputs = static_cast<std::size_t>(batch_.inputs);
  for (std::size_t row = 0; row < rows; ++row) {
    for (std::size_t k = 0; k < inputs; ++k) {
      inputs_.data()[(k / kBlock * rows + row) * kBlock + k % kBlock] = batch_.x[row * inputs + k];
    }
  }
  if (parts.grams) {
    input_gram_ = AlignedFloats(kernels::PairFloats(batch_.rows));
    kernels::Gram(inputs_.data(), {&blocks, 1}, batch_.rows, input_gram_.data());
  }
  if (plan_.tiles) TransposeInputWeights();

  LayerForward::Scratch scratch = forward_.NewScratch();
  first_ = GradientLayer(bank_.grid(), 1, batch_.rows, parts);
  forward_.Run(1, {inputs_.data(), inputs_.data()}, {&blocks, 1}, &batch_.inputs, first_, &scratch,
               interrupt);
  if (max_layers_ == 1) return;
  second_ = GradientLayer(bank_.grid(), bank_.grid().count(), batch_.rows, parts);
  const kernels::BlockNorm &norm = first_.prefix(0).norm;
  forward_.Run(2, {norm.hidden, norm.pushed}, AllWidths(), widths_.data(), second_, &scratch,
               interrupt);
}

std::unique_ptr<TriePass::Scratch> GradientPass::NewScratch() const {
  auto work = std::make_unique<Work>();
  const auto rows = static_cast<std::size_t>(batch_.rows);
  const auto slots = static_cast<std::size_t>(bank_.grid().slots());
  const std::size_t outputs = output_units_.size() * kBlock * widths_.size() * rows;
  const std::size_t pairs = kernels::PairFloats(batch_.rows);
  for (std::int32_t l = 3; l <= max_layers_; ++l) {
    // A task has a single prefix of two widths, so a single layer 3.
    work->levels.emplace_back(bank_.grid(), l == 3 ? 1 : bank_.grid().count(), batch_.rows,
                              plan_.layer_parts());
  }
  work->forward = forward_.NewScratch();
  work->products = AlignedFloats(outputs);
  work->output = OutputGradient(bank_.outputs(), batch_.rows, plan_.tangent);
  work->pairs = AlignedFloats(pairs);
  work->kernel = AlignedFloats(pairs);
  const auto layers = static_cast<std::size_t>(max_layers_) + 1;
  for (std::size_t l = 0; l < layers; ++l) {
    work->g.emplace_back(l == 0 ? 0 : slots * rows);
  }
  work->normed_mean.resize(layers);
  work->tangent_mean.resize(layers);
  if (!plan_.tangent) return work;
  work->tangents = AlignedFloats(outputs);
  for (AlignedFloats &pushed : work->pushed) pushed = AlignedFloats(slots * rows);
  work->dg = AlignedFloats(slots * rows);
  for (std::size_t l = 1; l < layers; ++l) {
    work->normed_mean[l] = AlignedFloats(slots);
    work->tangent_mean[l] = AlignedFloats(slots);
  }
  return work;
}

void GradientPass::Score(std::int32_t first, std::int32_t second, Scratch *scratch,
                         const Interrupt &interrupt) const {
  auto *const work = static_cast<Work *>(scratch);
  const auto one = [this](std::int32_t position) {
    return kernels::Stops{bank_.grid().blocks().data() + position, 1};
  };
  interrupt.Check();
  work->path[0] = first;
  work->prefix[1] = first_.prefix(0);
  if (second < 0) {
    Outputs(1, one(first), work);
    ScoreCandidate(1, 0, 1, work);
    return;
  }
  work->path[1] = second;
  work->prefix[2] = second_.prefix(first);
  if (min_layers_ <= 2) {
    Outputs(2, one(second), work);
    ScoreCandidate(2, 0, 1, work);
  }
  if (max_layers_ == 2) return;
  const kernels::BlockNorm &norm = work->layer(2).norm;
  forward_.Run(3, {norm.hidden, norm.pushed}, one(second),
               &widths_[static_cast<std::size_t>(second)], work->levels[0], &work->forward,
               interrupt);
  work->prefix[3] = work->levels[0].prefix(0);
  Walk(3, work, interrupt);
}

void GradientPass::Walk(std::int32_t l, Work *work, const Interrupt &interrupt) const {
  const kernels::Stops all = AllWidths();
  std::int32_t &position = work->path[static_cast<std::size_t>(l - 1)];
  if (l >= min_layers_) {
    Outputs(l, all, work);
    for (position = 0; position < all.count; ++position) {
      interrupt.Check();
      ScoreCandidate(l, position, all.count, work);
    }
  }
  if (l == max_layers_) return;
  const kernels::BlockNorm &norm = work->layer(l).norm;
  const GradientLayer &next = work->levels[static_cast<std::size_t>(l - 2)];
  forward_.Run(l + 1, {norm.hidden, norm.pushed}, all, widths_.data(), next, &work->forward,
               interrupt);
  for (position = 0; position < all.count; ++position) {
    work->prefix[static_cast<std::size_t>(l + 1)] = next.prefix(position);
    Walk(l + 1, work, interrupt);
  }
}

void GradientPass::Outputs(std::int32_t l, kernels::Stops stops, Work *work) const {
  const kernels::BlockNorm &norm = work->layer(l).norm;
  const std::int32_t layer = bank_.output_layer();
  const std::int64_t panel_block = std::int64_t{bank_.padded_columns(layer)} * kBlock;
  const std::int64_t values = std::int64_t{stops.count} * batch_.rows * kBlock;
  for (std::size_t block = 0; block < output_units_.size(); ++block) {
    const auto at = static_cast<std::int64_t>(block);
    const float *const panel = bank_.forward_panel(layer) + at * panel_block;
    kernels::StoppedProduct(panel, norm.hidden, stops, batch_.rows,
                            work->products.data() + at * values);
    if (!plan_.tangent) continue;
    kernels::StoppedProduct(panel, norm.pushed, stops, batch_.rows,
                            work->tangents.data() + at * values);
  }
}

void GradientPass::ScoreCandidate(std::int32_t l, std::int32_t stop, std::int32_t stops,
                                  Work *work) const {
  work->layers = l;
  Sums sums;
  if (!rows_differ_) {
    sums.norms = sums.squares = sums.plain = sums.snip = kInvalidScore;
    sums.fisher = sums.curvature = sums.trace = sums.condition = kInvalidScore;
    Write(*work, sums);
    return;
  }
  if (plan_.first_order) {
    const std::int64_t values = std::int64_t{batch_.rows} * kBlock;
    const std::int32_t fan_in = FanIn(*work, l + 1);
    work->output.OfLoss(
        batch_, {work->products.data() + stop * values,
                 plan_.tangent ? work->tangents.data() + stop * values : nullptr, stops * values,
                 WeightScale(fan_in), bank_.bias(bank_.output_layer()), BiasScale(fan_in)});
    FirstOrder(work, &sums);
  }
  if (plan_.tangent) Grasp(work, &sums);
  if (plan_.kernel) Kernel(work, &sums);
  Write(*work, sums);
}

void GradientPass::Write(const Work &work, const Sums &sums) const {
  const std::int64_t candidate =
      index_.At({work.path.data(), static_cast<std::size_t>(work.layers)});
  const auto write = [candidate](std::span<double> scores, double score) {
    if (scores.empty()) return;
    scores[static_cast<std::size_t>(candidate)] = std::isfinite(score) ? score : kInvalidScore;
  };
  // Of all Linear and BatchNorm: W and b of layers + 1, gamma and beta of layers.
  const double tensors = 4.0 * work.layers + 2.0;
  write(scores_.grad_norm, sums.norms);
  write(scores_.grad_plain, sums.plain);
  write(scores_.snip, sums.snip);
  write(scores_.fisher, sums.fisher);
  write(scores_.grasp, -sums.curvature);
  write(scores_.ntk_trace, std::sqrt(sums.trace / batch_.rows));
  write(scores_.ntk_cond_num, sums.condition);
  write(scores_.ntk_trace_approx, sums.squares / tensors);
}

}  // namespace trails
