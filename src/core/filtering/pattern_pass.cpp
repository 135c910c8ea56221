// The walk over the trie: a product, its patterns, their disagreements, and determinants at the
// leaves.
//
// May touch: src/core/filtering, src/core/space, src/kernels.
#include "core/filtering/pattern_pass.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/activate.h"
#include "kernels/disagreements.h"
#include "kernels/log_determinant.h"
#include "kernels/stopped_product.h"

namespace trails {
namespace {

constexpr std::int32_t kBlock = kernels::kBlock;

}  // namespace

AlignedFloats BlockedInputs(const ScoringBatch &batch, std::int32_t padded_inputs) {
  AlignedFloats blocked(static_cast<std::size_t>(padded_inputs) *
                        static_cast<std::size_t>(batch.rows));
  for (std::int32_t b = 0; b < batch.rows; ++b) {
    const float *const row = batch.x.data() + std::ptrdiff_t{b} * batch.inputs;
    for (std::int32_t i = 0; i < batch.inputs; ++i) {
      blocked.data()[(std::ptrdiff_t{i / kBlock} * batch.rows + b) * kBlock + i % kBlock] = row[i];
    }
  }
  return blocked;
}

// One layer of a walk.
struct PatternPass::Level {
  LayerOutput output;
  Words counts;  // at each width, [widths][counts]
};

// What a thread writes, and the leaves that wait until there are as many as have room in a vector.
class PatternPass::Walk final : public TriePass::Scratch {
 public:
  explicit Walk(const PatternPass &pass)
      : products_(static_cast<std::size_t>(pass.widths() * pass.batch_.rows * kBlock)),
        factors_(static_cast<std::size_t>(kernels::LogDeterminantScratch(pass.batch_.rows))),
        leaf_counts_(static_cast<std::size_t>(kernels::kMatrices * pass.counts_)) {
    for (std::int32_t layer = 3; layer <= pass.space_.max_layers; ++layer) {
      levels_.push_back({pass.NewOutput(layer, layer == 3 ? 1 : pass.widths()),
                         Words(static_cast<std::size_t>(pass.widths() * pass.counts_))});
    }
  }

  float *products() noexcept { return products_.data(); }
  Level &level(std::int32_t layer) noexcept { return levels_[static_cast<std::size_t>(layer - 3)]; }

  // Forgets what an interrupted task left.
  void Begin() noexcept { leaves_ = 0; }
  // Takes a candidate of `units` hidden units; scores once 16 are there.
  void AddLeaf(const PatternPass &pass, const std::uint16_t *counts, std::int32_t units,
               std::int64_t candidate) {
    std::copy_n(counts, pass.counts_, leaf_counts_.data() + leaves_ * pass.counts_);
    units_[leaves_] = static_cast<float>(units);
    candidates_[leaves_] = candidate;
    if (++leaves_ == kernels::kMatrices) Flush(pass);
  }
  // Scores what waits.
  void Flush(const PatternPass &pass) {
    if (leaves_ == 0) return;
    for (std::size_t lane = leaves_; lane < kernels::kMatrices; ++lane) {
      // A vector is always full: the rest repeats the first.
      std::copy_n(leaf_counts_.data(), pass.counts_, leaf_counts_.data() + lane * pass.counts_);
      units_[lane] = units_[0];
    }
    std::array<double, kernels::kMatrices> logarithms;
    kernels::LogDeterminants(leaf_counts_.data(), units_.data(), pass.batch_.rows, factors_.data(),
                             logarithms.data());
    for (std::size_t lane = 0; lane < leaves_; ++lane) {
      pass.scores_[static_cast<std::size_t>(candidates_[lane])] =
          std::isfinite(logarithms[lane]) ? logarithms[lane] : kInvalidScore;
    }
    leaves_ = 0;
  }

  // Scores all candidates that begin with `positions`, whose last one is left open from `first` on
  // for `stops` widths, and have at least `layer` layers. below: activations of layer - 1 for the
  // prefix without the open one; counts: disagreements up to layer - 1, by the open width.
  void Descend(const PatternPass &pass, std::int32_t layer, const float *below,
               const std::uint16_t *counts, std::int32_t first, std::int32_t stops,
               std::int32_t units, const Interrupt &interrupt) {
    interrupt.Check();
    Level &here = level(layer);
    pass.ComputeLayer(layer, below, first, stops, products_.data(), &here.output);
    const UnitGrid &grid = pass.bank_.grid();
    for (std::int32_t stop = 0; stop < stops; ++stop) {
      const std::int32_t position = first + stop;
      positions_[static_cast<std::size_t>(layer - 2)] = position;
      const std::int32_t units_here = units + grid.width(position);
      pass.CountDisagreements(here.output.patterns.data() + stop * pass.layer_words(),
                              counts + position * pass.counts_, here.counts.data());
      if (layer >= pass.space_.min_layers) AddLeaves(pass, layer, here.counts.data(), units_here);
      if (layer == pass.space_.max_layers) continue;
      Descend(pass, layer + 1, here.output.activations.data() + stop * pass.layer_floats(),
              here.counts.data(), 0, pass.widths(), units_here, interrupt);
    }
  }

  // The candidates of `layers` layers whose last width alone is open.
  void AddLeaves(const PatternPass &pass, std::int32_t layers, const std::uint16_t *counts,
                 std::int32_t units) {
    const auto last = static_cast<std::size_t>(layers - 1);
    positions_[last] = 0;
    const std::int64_t candidate = pass.index_.At({positions_.data(), last + 1});
    for (std::int32_t i = 0; i < pass.widths(); ++i) {
      AddLeaf(pass, counts + i * pass.counts_, units + pass.bank_.grid().width(i), candidate + i);
    }
  }

  std::span<std::int32_t> positions() noexcept { return positions_; }

 private:
  AlignedFloats products_;
  AlignedFloats factors_;
  std::vector<Level> levels_;  // layers 3 .. max_layers
  std::array<std::int32_t, kMaxHiddenLayers> positions_{};
  std::size_t leaves_ = 0;
  Words leaf_counts_;  // [16][counts]
  alignas(64) std::array<float, kernels::kMatrices> units_{};
  std::array<std::int64_t, kernels::kMatrices> candidates_{};
};

PatternPass::PatternPass(const SearchSpace &space, const WeightBank &bank,
                         const ScoringBatch &batch, bool batch_norm, std::span<double> scores)
    : space_(space),
      bank_(bank),
      batch_(batch),
      batch_norm_(batch_norm),
      scores_(scores),
      index_(space),
      counts_(kernels::DisagreementCounts(batch.rows)) {
  for (const std::int32_t width : space.widths) {
    weight_scale_.push_back(static_cast<float>(WeightScale(width)));
    bias_scale_.push_back(static_cast<float>(BiasScale(width)));
  }
}

PatternPass::~PatternPass() = default;

std::ptrdiff_t PatternPass::layer_words() const noexcept {
  return std::ptrdiff_t{bank_.grid().blocks().back()} * kernels::PatternWords(batch_.rows);
}

PatternPass::LayerOutput PatternPass::NewOutput(std::int32_t layer,
                                                std::int32_t widths_before) const {
  LayerOutput output;
  if (layer < space_.max_layers) {
    output.activations = AlignedFloats(static_cast<std::size_t>(widths_before * layer_floats()));
  }
  output.patterns.resize(static_cast<std::size_t>(widths_before * layer_words()));
  return output;
}

void PatternPass::ComputeRowBlocks(std::int32_t layer, const float *below,
                                   const std::int32_t *stop_blocks,
                                   std::span<const float> weight_scales,
                                   std::span<const float> bias_scales, float *products,
                                   LayerOutput *output) const {
  const auto stops = static_cast<std::int32_t>(weight_scales.size());
  const std::ptrdiff_t panel_floats = std::ptrdiff_t{bank_.padded_columns(layer)} * kBlock;
  const std::ptrdiff_t activation_floats = std::ptrdiff_t{batch_.rows} * kBlock;
  const std::ptrdiff_t pattern_words = kernels::PatternWords(batch_.rows);
  for (std::int32_t block = 0; block < bank_.grid().blocks().back(); ++block) {
    kernels::StoppedProduct(bank_.forward_panel(layer) + block * panel_floats, below,
                            {stop_blocks, stops}, batch_.rows, products);
    const kernels::Activations to{weight_scales.data(),
                                  bias_scales.data(),
                                  layer < space_.max_layers
                                      ? output->activations.data() + block * activation_floats
                                      : nullptr,
                                  layer_floats(),
                                  output->patterns.data() + block * pattern_words,
                                  layer_words()};
    if (batch_norm_) {
      kernels::ActivateNormalised(products, stops, batch_.rows, to);
    } else {
      kernels::ActivatePlain(products, bank_.bias(layer) + block * kBlock, stops, batch_.rows, to);
    }
  }
}

void PatternPass::ComputeLayer(std::int32_t layer, const float *below, std::int32_t first,
                               std::int32_t stops, float *products, LayerOutput *output) const {
  const auto from = static_cast<std::size_t>(first);
  const auto count = static_cast<std::size_t>(stops);
  ComputeRowBlocks(layer, below, bank_.grid().blocks().data() + from,
                   std::span(weight_scale_).subspan(from, count),
                   std::span(bias_scale_).subspan(from, count), products, output);
}

void PatternPass::CountDisagreements(const std::uint16_t *patterns, const std::uint16_t *before,
                                     std::uint16_t *counts) const {
  kernels::Disagreements(patterns, {bank_.grid().blocks().data(), widths()}, batch_.rows, before,
                         counts);
}

void PatternPass::Prepare(const Interrupt &interrupt) {
  AlignedFloats products(static_cast<std::size_t>(widths() * batch_.rows * kBlock));
  const AlignedFloats inputs = BlockedInputs(batch_, bank_.padded_columns(1));
  const std::int32_t input_blocks = bank_.padded_columns(1) / kBlock;
  const auto weight_scale = static_cast<float>(WeightScale(batch_.inputs));
  const auto bias_scale = static_cast<float>(BiasScale(batch_.inputs));
  LayerOutput first = NewOutput(1, 1);
  ComputeRowBlocks(1, inputs.data(), &input_blocks, {&weight_scale, 1}, {&bias_scale, 1},
                   products.data(), &first);
  first_counts_.resize(static_cast<std::size_t>(widths() * counts_));
  CountDisagreements(first.patterns.data(), nullptr, first_counts_.data());
  interrupt.Check();
  if (space_.max_layers == 1) return;
  second_ = NewOutput(2, widths());
  ComputeLayer(2, first.activations.data(), 0, widths(), products.data(), &second_);
  interrupt.Check();
  second_counts_.resize(first_counts_.size() * static_cast<std::size_t>(widths()));
  for (std::int32_t i = 0; i < widths(); ++i) {
    CountDisagreements(second_.patterns.data() + i * layer_words(),
                       first_counts_.data() + i * counts_,
                       second_counts_.data() + i * widths() * counts_);
  }
}

std::unique_ptr<TriePass::Scratch> PatternPass::NewScratch() const {
  return std::make_unique<Walk>(*this);
}

void PatternPass::Score(std::int32_t first, std::int32_t second, Scratch *scratch,
                        const Interrupt &interrupt) const {
  interrupt.Check();
  auto &walk = static_cast<Walk &>(*scratch);
  walk.Begin();
  const UnitGrid &grid = bank_.grid();
  if (second < 0) {
    walk.AddLeaf(*this, first_counts_.data() + first * counts_, grid.width(first),
                 index_.At({&first, 1}));
  } else {
    const std::array<std::int32_t, 2> positions{first, second};
    std::copy(positions.begin(), positions.end(), walk.positions().begin());
    const std::uint16_t *const counts = second_counts_.data() + first * widths() * counts_;
    if (space_.min_layers <= 2) {
      walk.AddLeaf(*this, counts + second * counts_, grid.width(first) + grid.width(second),
                   index_.At(positions));
    }
    if (space_.max_layers > 2) {
      walk.Descend(*this, 3, second_.activations.data() + first * layer_floats(), counts, second, 1,
                   grid.width(first), interrupt);
    }
  }
  walk.Flush(*this);
}

std::int64_t PatternPass::Bytes(const SearchSpace &space, std::int32_t inputs, std::int32_t rows,
                                std::int32_t threads) noexcept {
  constexpr std::int64_t kWord = sizeof(std::uint16_t);
  constexpr std::int64_t kFloat = sizeof(float);
  const auto widths = static_cast<std::int64_t>(space.widths.size());
  const std::int64_t slots = UnitGrid::Slots(space.widths);
  const std::int64_t output =
      slots * rows * kFloat + slots / kBlock * kernels::PatternWords(rows) * kWord;
  const std::int64_t counts = kernels::DisagreementCounts(rows) * kWord;
  const std::int64_t products = widths * rows * kBlock * kFloat;
  const std::int64_t levels = std::max(0, space.max_layers - 2);
  const std::int64_t shared = std::int64_t{inputs + kBlock} * rows * kFloat + products + output +
                              widths * (output + counts + widths * counts);
  const std::int64_t of_thread = products + kernels::kMatrices * counts +
                                 kernels::LogDeterminantScratch(rows) * kFloat +
                                 levels * widths * (output + counts);
  return shared + threads * of_thread;
}

}  // namespace trails
