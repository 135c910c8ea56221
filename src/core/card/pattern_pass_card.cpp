// May touch: src/core/card, src/core/filtering, src/kernels.
#include "core/card/pattern_pass_card.h"

#include <algorithm>

#include "core/filtering/pattern_pass.h"
#include "kernels/disagreements.h"
#include "kernels/trie_activations.h"
#include "kernels/trie_determinants.h"
#include "kernels/trie_disagreements.h"

namespace trails {
namespace {

constexpr std::int32_t kBlock = kernels::kBlock;

// Numbers of one output of a layer, and of its patterns.
std::int64_t OutputFloats(const SearchSpace &space, std::int32_t l, std::int32_t rows) noexcept {
  return l < space.max_layers ? std::int64_t{UnitGrid::Slots(space.widths)} * rows : 0;
}

std::int64_t OutputCounts(const SearchSpace &space, std::int32_t rows) noexcept {
  return std::ssize(space.widths) * kernels::DisagreementCounts(rows);
}

std::int64_t PatternWords(const SearchSpace &space, std::int32_t rows) noexcept {
  return std::int64_t{UnitGrid::Slots(space.widths) / kBlock} * rows;
}

}  // namespace

PatternPassCard::PatternPassCard(const BankCard &card, const ScoringBatch &batch, bool batch_norm,
                                 std::vector<double> *scores)
    : card_(card), batch_(batch), batch_norm_(batch_norm), scores_(scores) {
  const WeightBank &bank = card.bank();
  const CardStream &stream = card.stream();
  const AlignedFloats blocked = BlockedInputs(batch, bank.padded_columns(1));
  inputs_ = CardArray<float>(static_cast<std::int64_t>(blocked.size()));
  inputs_.Upload({blocked.data(), blocked.size()}, stream);
  for (std::int32_t l = 1; l <= card.max_layers(); ++l) {
    std::vector<float> scales;
    const std::int32_t fan_ins = l == 1 ? 1 : card.widths();
    const auto fan_in = [&](std::int32_t i) {
      return l == 1 ? batch.inputs : bank.grid().width(i);
    };
    for (std::int32_t i = 0; i < fan_ins; ++i) {
      scales.push_back(static_cast<float>(WeightScale(fan_in(i))));
    }
    for (std::int32_t i = 0; i < fan_ins; ++i) {
      scales.push_back(static_cast<float>(BiasScale(fan_in(i))));
    }
    CardArray<float> on_card(std::ssize(scales));
    on_card.Upload(scales, stream);
    stream.Synchronize();  // before what was uploaded goes
    layers_.push_back({.activations = {}, .counts = {}, .scales = std::move(on_card)});
  }
}

void PatternPassCard::Compute(std::int32_t l, const std::int32_t *prefixes, std::int64_t inputs) {
  const CardStream &stream = card_.stream();
  Layer &here = layer(l);
  const kernels::TrieLayer product = card_.Layer(l, prefixes, inputs);
  const float *const weight_scale = here.scales.data();
  kernels::TrieActivationsCuda(product,
                               {.x = l == 1 ? inputs_.data() : layer(l - 1).activations.data(),
                                .batch = batch_.rows,
                                .weight_scale = weight_scale,
                                .bias_scale = weight_scale + product.widths,
                                .bias = batch_norm_ ? nullptr : card_.bias(l),
                                .h = here.activations.data(),
                                .patterns = patterns_.data()},
                               stream.get());
  kernels::TrieDisagreementsCuda({.patterns = patterns_.data(),
                                  .outputs = product.outputs(),
                                  .row_blocks = card_.row_blocks(),
                                  .batch = batch_.rows,
                                  .stop_blocks = card_.width_blocks(),
                                  .widths = card_.widths(),
                                  .before = l == 1 ? nullptr : layer(l - 1).counts.data(),
                                  .prefixes = prefixes,
                                  .counts = here.counts.data()},
                                 stream.get());
}

void PatternPassCard::ScoreLeaves(std::int32_t l, const std::int32_t *prefixes,
                                  std::int64_t count) {
  if (l < card_.min_layers()) return;
  kernels::TrieDeterminantsCuda(card_.Leaves(l, prefixes, count),
                                {.counts = layer(l).counts.data(),
                                 .batch = batch_.rows,
                                 .hidden = card_.units(),
                                 .scores = scores_on_card_.data()},
                                card_.stream().get());
}

void PatternPassCard::Prepare(std::int64_t prefixes) {
  const SearchSpace &space = card_.space();
  std::int64_t most_outputs = 0;
  for (std::int32_t l = 1; l <= card_.max_layers(); ++l) {
    const std::int64_t outputs = OutputsOfLayer(space, l, prefixes);
    most_outputs = std::max(most_outputs, outputs);
    layer(l).activations = CardArray<float>(outputs * OutputFloats(space, l, batch_.rows));
    layer(l).counts = CardArray<std::uint16_t>(outputs * OutputCounts(space, batch_.rows));
  }
  patterns_ = CardArray<std::uint16_t>(most_outputs * PatternWords(space, batch_.rows));
  scores_on_card_ = UnscoredOnCard(true, std::ssize(*scores_), card_.stream());
  Compute(1, nullptr, 1);
  if (card_.max_layers() >= 2) Compute(2, nullptr, 1);
}

void PatternPassCard::Score(const TileCard &tile) {
  if (tile.single_count > 0) ScoreLeaves(1, tile.singles, tile.single_count);
  if (tile.pair_count == 0) return;
  ScoreLeaves(2, tile.pairs, tile.pair_count);
  for (std::int32_t l = 3; l <= card_.max_layers(); ++l) {
    const bool is_first = l == 3;
    Compute(l, is_first ? tile.pairs : nullptr,
            is_first ? tile.pair_count : OutputsOfLayer(card_.space(), l - 1, tile.pair_count));
    ScoreLeaves(l, tile.pairs, tile.pair_count);
  }
}

void PatternPassCard::Finish() {
  *scores_ = scores_on_card_.Download(card_.stream());
}

std::int64_t PatternPassCard::WorkOfPrefix() const noexcept {
  const std::int64_t slots = card_.slots();
  const std::int64_t rows = batch_.rows;
  std::int64_t flops = 0;
  for (std::int32_t l = 3; l <= card_.max_layers(); ++l) {
    const std::int64_t outputs = OutputsOfLayer(card_.space(), l, 1);
    const std::int64_t products = l == 3 ? 1 : OutputsOfLayer(card_.space(), l - 1, 1);
    flops += 2 * products * slots * slots * rows + outputs * slots / kBlock * rows * rows +
             outputs * card_.widths() * rows * rows * rows;
  }
  return flops;
}

std::int64_t PatternPassCard::Bytes(const SearchSpace &space, std::int32_t inputs,
                                    std::int32_t rows, std::int64_t prefixes) noexcept {
  constexpr std::int64_t kFloat = sizeof(float);
  constexpr std::int64_t kWord = sizeof(std::uint16_t);
  std::int64_t bytes = (std::int64_t{inputs} + kBlock) * rows * kFloat;
  std::int64_t most_outputs = 0;
  for (std::int32_t l = 1; l <= space.max_layers; ++l) {
    const std::int64_t outputs = OutputsOfLayer(space, l, prefixes);
    most_outputs = std::max(most_outputs, outputs);
    bytes += outputs * (OutputFloats(space, l, rows) * kFloat + OutputCounts(space, rows) * kWord);
  }
  return bytes + most_outputs * PatternWords(space, rows) * kWord;
}

}  // namespace trails
